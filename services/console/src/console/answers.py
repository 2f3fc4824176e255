"""The shapes of the console's answers: what other programs may rely on (docs/interfaces.md)."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, PlainSerializer

from console.journey import Status, Step


def _iso(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


Time = Annotated[datetime, PlainSerializer(_iso, return_type=str)]
"""An aware UTC time, written as ISO 8601 with milliseconds."""


def time_of(milliseconds: int) -> datetime:
    """Return the UTC time of ``milliseconds`` since the epoch."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):  # a header can claim any year
        return datetime.fromtimestamp(0, UTC)


class Waiting(BaseModel):
    """What a workflow waits for. ``stage`` is routing, dispatch or replay.

    ``position`` is where the last durable record lies from which it can be resumed.
    """

    stage: str
    reason: str
    since: Time
    message_id: str
    record_type: str | None
    agent: str | None = None
    position: str | None = None


class LeadSummary(BaseModel):
    """A lead in a list: no personal data. ``waiting_for`` is empty unless it is in flight.

    ``stalled``: nothing was heard of it for ``STALLED_AFTER_S`` seconds.
    """

    lead_id: str
    status: Status
    captured_at: Time
    updated_at: Time
    company_name: str | None = None
    job_title: str | None = None
    lead_source: str | None = None
    stalled: bool = False
    waiting_for: list[Waiting] = []


class LeadPage(BaseModel):
    """Leads, newest first; ``next`` is the ``after`` of the page that follows, None on the last one."""

    leads: list[LeadSummary]
    next: str | None


class TimelineEntry(BaseModel):
    """One step of a lead's journey."""

    at: Time
    stage: Step
    record_type: str | None
    agent: str | None
    message_id: str
    detail: dict[str, Any]


class Lead(BaseModel):
    """A lead's own page: ``lead`` is the captured record in full, None when it could not be decoded."""

    lead_id: str
    status: Status
    timeline: list[TimelineEntry]
    lead: dict[str, Any] | None = None
    stalled: bool = False
    waiting_for: list[Waiting] = []


class Header(BaseModel):
    """A Kafka header; ``text`` is None when it is not UTF-8, both are None when the value is null."""

    name: str
    text: str | None
    base64: str | None


class DeadLetterSummary(BaseModel):
    """A dead letter without its bytes; ``state`` is open, replayed or discarded.

    ``source`` is who wrote the refused record; ``closed_*`` say when, by whom and why it was closed.
    """

    topic: str
    partition: int
    offset: int
    at: Time
    state: str
    reason: str
    stage: str
    detail: str
    field: str
    key: str | None
    lead_id: str | None
    message_id: str
    correlation_id: str | None
    record_type: str | None
    model_calls: int
    source: str | None
    closed_at: Time | None
    closed_by: str
    closed_why: str
    source_topic: str
    source_partition: int
    source_offset: int
    size: int
    headers: list[Header]


class DeadLetter(DeadLetterSummary):
    """A dead letter with its bytes; ``decoded`` by the writer's schema, as far as that goes."""

    key_base64: str | None
    value_base64: str | None
    decoded: dict[str, Any] | None = None
    decode_error: str | None = None


class DeadLetterPage(BaseModel):
    """Dead letters, newest first; ``next`` is the ``after`` of the page that follows."""

    dead_letters: list[DeadLetterSummary]
    next: str | None


class Dispatching(BaseModel):
    """How an orchestrator gets on with an agent. ``circuit`` is closed, half_open or open."""

    circuit: str
    away_since: str | None
    away_because: str | None


class Agent(BaseModel):
    """An agent as it announced itself; ``removed`` after a tombstone.

    ``dispatch`` is None when no orchestrator tells.
    """

    agent_id: str
    removed: bool
    at: Time
    definition: dict[str, Any] | None
    dispatch: Dispatching | None = None


class Agents(BaseModel):
    """Every agent that was ever announced."""

    agents: list[Agent]


class ContractVersion(BaseModel):
    """A live version of a contract in the registry."""

    version: int
    schema_id: int


class Contract(BaseModel):
    """A record type and its live versions, ascending."""

    record_type: str
    doc: str
    versions: list[ContractVersion]


class Contracts(BaseModel):
    """The contracts that are registered."""

    contracts: list[Contract]


class Stats(BaseModel):
    """One snapshot of all counts. ``captured`` is the sum of the four after it."""

    captured: int
    scheduled: int
    ended: int
    dead_lettered: int
    in_flight: int
    unattributed: int
    refused_at_intake: int
    llm_calls: int
    rejected_before_llm: int
