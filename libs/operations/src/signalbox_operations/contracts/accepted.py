"""The messages that the gate accepted lately, by record type: every decision carries its message's bytes."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from signalbox.avro import decode, parse, unframe
from signalbox.control import schema_text
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import AGENT_ROUTES, RecordType
from signalbox.protocol.records import Record
from signalbox_operations.contracts.fleet import SchemaById

_DECISION: Final = "control.RouteDecided"
_PATIENCE_S: Final = 30.0
_MOST: Final = 100_000


@dataclass(frozen=True, slots=True)
class AcceptedMessage:
    """A message that passed the gate; ``value`` is framed, ``position`` is like ``agent_messages/2@15``."""

    message_id: str
    position: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Lookback:
    """How far back messages are taken: the last ``count`` of each record type, and none before ``since``."""

    count: int
    since: datetime | None = None

    @classmethod
    def to(cls, since: datetime) -> "Lookback":
        """Take what was accepted since then; no more than the last 100,000 of each record type."""
        return cls(_MOST, since)

    def starting(self, _: str) -> float | None:
        """Return the time to read a topic from, in seconds since the epoch; None for its beginning."""
        return self.since.timestamp() if self.since else None


NO_REPLAY: Final = Lookback(0)
"""No message is taken."""

Accepted = dict[RecordType, list[AcceptedMessage]]
"""The accepted messages of each record type, oldest first."""


_Lately = OrderedDict[str, tuple[int, AcceptedMessage]]
"""The last messages of one record type in one partition, by message id, each with its time."""


def read_accepted(record_types: Collection[RecordType], lookback: Lookback, schemas: SchemaById) -> Accepted:
    """Read the accepted messages of each record type by ``lookback`` from the broker of the environment.

    Raises:
        Unavailable: the broker or the registry can't be reached.
    """
    from signalbox.kafka import KafkaSettings, read_to_end

    decisions = read_to_end(
        KafkaSettings(), [AGENT_ROUTES], patience_s=_PATIENCE_S, starting=lookback.starting
    )
    return accepted(decisions, record_types, lookback, schemas)


def accepted(
    decisions: Iterable[Record],
    record_types: Collection[RecordType],
    lookback: Lookback,
    schemas: SchemaById,
) -> Accepted:
    """Take the messages of each record type that ``lookback`` asks for out of ``agent_routes``' records.

    A message that was routed a second time, because an agent refused it, counts once. At no time are more
    than ``lookback.count`` messages a partition and record type held.
    """
    since_ms = lookback.since.timestamp() * 1000 if lookback.since else 0
    kept: dict[tuple[RecordType, int], _Lately] = {}
    for record in decisions:
        if record.timestamp_ms < since_ms:
            continue
        decision = decision_of(record, schemas)
        if decision and (record_type := RecordType(decision["record_type"])) in record_types:
            lately = kept.setdefault((record_type, record.partition), OrderedDict())
            lately.pop(decision["message_id"], None)
            lately[decision["message_id"]] = (record.timestamp_ms, _message(decision))
            if len(lately) > lookback.count:
                lately.popitem(last=False)
    return {wanted: _newest(wanted, kept, lookback.count) for wanted in record_types}


def _newest(
    record_type: RecordType, kept: Mapping[tuple[RecordType, int], _Lately], count: int
) -> list[AcceptedMessage]:
    timed = [one for (of, _), lately in kept.items() if of == record_type for one in lately.values()]
    return [message for _, message in sorted(timed, key=lambda one: one[0])[-count:]]


def decision_of(record: Record, schemas: SchemaById) -> dict[str, Any] | None:
    """Decode a record of ``agent_routes``; None when it is no decision."""
    if record.value is None:
        return None
    try:
        schema_id, body = unframe(record.value)
        return decode(body, schemas(schema_id), parse(schema_text(_DECISION)))
    except Refusal:
        return None  # not one of the orchestrator's decisions


def _message(decision: Mapping[str, Any]) -> AcceptedMessage:
    position = f"{decision['source_topic']}/{decision['source_partition']}@{decision['source_offset']}"
    return AcceptedMessage(decision["message_id"], position, decision["payload"])
