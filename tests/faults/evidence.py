"""Everything that can be seen after a run. The checks are functions of it, and touch nothing else."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, NamedTuple

from history import MARK, Injection, Sending
from signalbox.protocol.records import Record

MESSAGES: Final = "agent_messages"
INCOMING: Final = "incoming_leads"
ROUTES: Final = "agent_routes"
DEAD_LETTERS: Final = "agent_messages_dlt"
INTAKE_DEAD_LETTERS: Final = "incoming_leads_dlt"
ROUTE_DEAD_LETTERS: Final = "agent_routes_dlt"
REGISTRATIONS: Final = "agent_registry"
AUDIT: Final = "governance_audit"
FORGED: Final = "forged"
"""The header of registrations that a fault forged; the system knows nothing of it."""
TOPICS: Final = (
    INCOMING,
    INTAKE_DEAD_LETTERS,
    MESSAGES,
    DEAD_LETTERS,
    ROUTES,
    ROUTE_DEAD_LETTERS,
    REGISTRATIONS,
    AUDIT,
)


class Place(NamedTuple):
    """Where a record lies."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class MailRow:
    """A mail in Send Email's schedule; ``due`` says whether its time had come when this was read."""

    message_id: str
    workflow: str
    recipient: str
    status: str
    due: bool


@dataclass(frozen=True, slots=True)
class Received:
    """A mail that the SMTP server took; ``fault`` is set when the sender was not told so."""

    message_id: str
    recipient: str
    fault: str | None


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer in an agent's state store."""

    agent: str
    id: str
    value: bytes


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A request that was written down at the model port."""

    task: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Memory:
    """The most resident memory that a process of a service was seen with, in MiB."""

    service: str
    peak_mib: float
    samples: int


@dataclass(frozen=True)
class Evidence:
    """What a run left behind. ``decoded`` has the contents of the records that the checks look into.

    ``leads`` are those of the lead store, each with whether it was published; ``campaigns`` the schedules by
    workflow; ``stats`` is what the console says; ``forged_to`` are the requests that came to a forger.
    """

    sendings: tuple[Sending, ...] = ()
    unacknowledged: tuple[int, ...] = ()
    injections: tuple[Injection, ...] = ()
    records: Mapping[str, tuple[Record, ...]] = field(default_factory=dict)
    decoded: Mapping[Place, Mapping[str, Any]] = field(default_factory=dict)
    leads: Mapping[str, bool] = field(default_factory=dict)
    campaigns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    mails: tuple[MailRow, ...] = ()
    received: tuple[Received, ...] = ()
    answers: tuple[StoredAnswer, ...] = ()
    model_calls: tuple[ModelCall, ...] = ()
    memory: tuple[Memory, ...] = ()
    stats: Mapping[str, int] = field(default_factory=dict)
    forged_to: tuple[str, ...] = ()

    def of(self, topic: str) -> tuple[Record, ...]:
        """Return a topic's records, in order within each partition."""
        return self.records.get(topic, ())

    def content(self, record: Record) -> Mapping[str, Any]:
        """Return what a record says; empty when it was not to be decoded."""
        return self.decoded.get(place(record), {})

    @property
    def dead_letters(self) -> Iterator[Record]:
        """Yield the dead letters of every topic."""
        for topic in (INTAKE_DEAD_LETTERS, DEAD_LETTERS, ROUTE_DEAD_LETTERS):
            yield from self.of(topic)

    @cached_property
    def by_place(self) -> Mapping[Place, Record]:
        """Every record by where it lies."""
        return {place(record): record for records in self.records.values() for record in records}

    @cached_property
    def by_number(self) -> Mapping[int, Sending]:
        """What was sent, by its number."""
        return {one.number: one for one in self.sendings}

    def sending_of(self, record: Record) -> Sending | None:
        """Return the line of the history that a record which the test wrote belongs to."""
        mark = record.header(MARK)
        return self.by_number.get(int(mark)) if mark is not None else None

    def harm(self, *names: str) -> int:
        """Count how often something came the way of faults whose name begins with one of ``names``."""
        return sum(one.harm or 0 for one in self.injections if one.name.startswith(names))


def place(record: Record) -> Place:
    """Return where a record lies."""
    return Place(record.topic, record.partition, record.offset)


def said(record: Record, header: str) -> str:
    """Return a header as a text, empty when there is none."""
    return (record.header(header) or b"").decode(errors="replace")


def source_of(dead_letter: Record) -> Place:
    """Return where the record lay that a dead letter was made of."""
    return Place(
        said(dead_letter, "dl_topic"),
        int(said(dead_letter, "dl_partition")),
        int(said(dead_letter, "dl_offset")),
    )


def by_workflow(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Group records by the workflow that they say they belong to."""
    grouped: dict[str, list[Record]] = {}
    for record in records:
        grouped.setdefault(said(record, "ce_correlationid"), []).append(record)
    return grouped
