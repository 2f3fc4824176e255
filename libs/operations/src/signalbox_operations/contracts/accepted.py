"""The messages that the gate accepted lately, by record type: every decision carries its message's bytes."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from signalbox.avro import decode, parse, unframe
from signalbox.control import schema_text
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import AGENT_ROUTES, RecordType
from signalbox.protocol.records import Record
from signalbox_operations.contracts.fleet import SchemaById

_DECISION: Final = "control.RouteDecided"
_PATIENCE_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class AcceptedMessage:
    """A message that passed the gate; ``value`` is framed, ``position`` is like ``agent_messages/2@15``."""

    message_id: str
    position: str
    value: bytes


Accepted = dict[RecordType, list[AcceptedMessage]]
"""The accepted messages of each record type, oldest first."""


_Lately = OrderedDict[str, tuple[int, AcceptedMessage]]
"""The last messages of one record type in one partition, by message id, each with its time."""


def read_accepted(record_types: Collection[RecordType], count: int, schemas: SchemaById) -> Accepted:
    """Read the last ``count`` accepted messages of each record type from the broker of the environment.

    Raises:
        Unavailable: the broker or the registry can't be reached.
    """
    from signalbox.kafka import KafkaSettings, read_to_end

    decisions = read_to_end(KafkaSettings(), [AGENT_ROUTES], patience_s=_PATIENCE_S)
    return accepted(decisions, record_types, count, schemas)


def accepted(
    decisions: Iterable[Record], record_types: Collection[RecordType], count: int, schemas: SchemaById
) -> Accepted:
    """Take the last ``count`` messages of each record type out of ``agent_routes``' records.

    A message that was routed a second time, because an agent refused it, counts once. At no time are more
    than ``count`` messages a partition and record type held.
    """
    kept: dict[tuple[RecordType, int], _Lately] = {}
    for record in decisions:
        decision = decision_of(record, schemas)
        if decision and (record_type := RecordType(decision["record_type"])) in record_types:
            lately = kept.setdefault((record_type, record.partition), OrderedDict())
            lately.pop(decision["message_id"], None)
            lately[decision["message_id"]] = (record.timestamp_ms, _message(decision))
            if len(lately) > count:
                lately.popitem(last=False)
    return {wanted: _newest(wanted, kept, count) for wanted in record_types}


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
