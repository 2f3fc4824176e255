"""Reading facts out of records. A record that says nothing usable gives no fact.

Headers are read one by one and leniently: this is a view of what happened, hostile records included,
so a value that can't be read is simply not there.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from console.facts import (
    CAPTURED,
    DECIDED,
    DISCARDED,
    GRANTED,
    INTAKE_DEAD_LETTERS,
    MESSAGE_DEAD_LETTERS,
    REGISTERED,
    REPLAYED,
    DeadLetter,
    Decision,
    Decoded,
    Fact,
    Incoming,
    Message,
    Registration,
    Resolution,
)
from signalbox.protocol.envelope import correlation_id_of, intake_id, replay_id, text
from signalbox.protocol.errors import Refusal
from signalbox.protocol.headers import CE, DL, ROUTE_AGENT, ROUTE_OUTCOME
from signalbox.protocol.names import (
    AGENT_GRANTS,
    AGENT_MESSAGES,
    AGENT_REGISTRY,
    AGENT_ROUTES,
    GOVERNANCE_AUDIT,
    INCOMING_LEADS,
    LeadId,
    RecordType,
)
from signalbox.protocol.records import Record


def wanted(record: Record) -> RecordType | None:
    """Return the record type that ``record`` has to be decoded as; None when its headers say enough."""
    if record.topic == AGENT_MESSAGES:
        starts = header(record, CE.TYPE) == CAPTURED and header(record, CE.HOP) == "0"
        return CAPTURED if starts else None
    if record.topic == GOVERNANCE_AUDIT:
        said = RecordType(header(record, CE.TYPE) or "")
        return said if said in _CLOSINGS else None
    return _VALUES.get(record.topic)


def fact_of(record: Record, decoded: Decoded | None) -> Fact | None:
    """Read the fact that ``record`` tells; ``decoded`` is its value when it could be decoded."""
    read = _READERS.get(record.topic)
    return read(record, decoded) if read else None


def header(record: Record, name: str) -> str | None:
    """Return a header's text, or None when it is missing or unusable."""
    return _usable(record.header(name), name)


def _incoming(record: Record, _: Decoded | None) -> Incoming:
    given = header(record, CE.ID)
    return Incoming(
        partition=record.partition,
        offset=record.offset,
        id=given or intake_id(record.topic, record.partition, record.offset),
        lead_id=_usable(record.key, "key"),
        recorded=_recorded(record),
    )


def _message(record: Record, decoded: Decoded | None) -> Message:
    return Message(
        partition=record.partition,
        offset=record.offset,
        id=header(record, CE.ID) or position(record.topic, record.partition, record.offset),
        workflow=header(record, CE.CORRELATIONID),
        causation=header(record, CE.CAUSATIONID),
        source=header(record, CE.SOURCE),
        record_type=header(record, CE.TYPE),
        hop=_number(header(record, CE.HOP)),
        lead_id=_usable(record.key, "key"),
        at=_time(header(record, CE.TIME), record),
        recorded=_recorded(record),
        content=decoded,
    )


def _decision(record: Record, decoded: Decoded | None) -> Decision | None:
    value = decoded.datum if decoded else {}
    message_id = header(record, CE.CAUSATIONID) or _text(value, "message_id")
    if header(record, CE.TYPE) != DECIDED or not message_id:
        return None
    agent = header(record, ROUTE_AGENT) or _text(value, "agent") or None
    return Decision(
        partition=record.partition,
        offset=record.offset,
        id=header(record, CE.ID) or position(record.topic, record.partition, record.offset),
        message_id=message_id,
        workflow=header(record, CE.CORRELATIONID),
        agent=agent,
        outcome=header(record, ROUTE_OUTCOME) or _outcome(agent, value),
        at=_time(header(record, CE.TIME), record),
        recorded=_recorded(record),
        record_type=_text(value, "record_type") or None,
        candidates=_texts(value, "candidates"),
        excluded=_texts(value, "excluded"),
        reason=_text(value, "reason"),
        model=_text(value, "model"),
        model_calls=_count(_integer(value, "model_calls")),
    )


def _outcome(agent: str | None, value: Mapping[str, Any]) -> str:
    if agent:
        return "rerouted" if value.get("excluded") else "routed"
    return "terminal" if value.get("terminal") else "ended"


def _dead_letter(record: Record, _: Decoded | None) -> DeadLetter:
    key = _usable(record.key, "key")
    at_intake = record.topic == INTAKE_DEAD_LETTERS
    # Intake starts the workflow itself, so what a refused lead's headers say of a workflow counts nothing.
    by_key = correlation_id_of(LeadId(key)) if key else None
    source = _source(record)
    return DeadLetter(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        message_id=header(record, CE.ID) or position(*source),
        workflow=by_key if at_intake else header(record, CE.CORRELATIONID),
        lead_id=key,
        record_type=header(record, CE.TYPE),
        hop=_number(header(record, CE.HOP)),
        reason=_plain(record, DL.REASON) or "UNKNOWN",
        detail=_plain(record, DL.DETAIL),
        field=_plain(record, DL.FIELD),
        stage=_plain(record, DL.STAGE),
        at=_time(header(record, DL.TIME), record),
        recorded=_recorded(record),
        model_calls=_count(_number(header(record, DL.MODEL_CALLS))),
        source=header(record, CE.SOURCE),
        source_topic=source[0],
        source_partition=source[1],
        source_offset=source[2],
        replay_id=replay_id(record.topic, record.partition, record.offset),
        key=record.key,
        value=record.value,
        headers=record.headers,
    )


def _source(record: Record) -> tuple[str, int, int]:
    topic = header(record, DL.TOPIC)
    partition, offset = _number(header(record, DL.PARTITION)), _number(header(record, DL.OFFSET))
    if topic is None or partition is None or offset is None:
        return record.topic, record.partition, record.offset
    return topic, partition, offset


def _closing(record: Record, decoded: Decoded | None) -> Resolution | None:
    value = decoded.datum if decoded else {}
    how = _CLOSINGS.get(RecordType(decoded.schema.name)) if decoded else None
    topic = _text(value, "dead_letter_topic")
    partition = _integer(value, "dead_letter_partition")
    offset = _integer(value, "dead_letter_offset")
    if not how or not topic or partition is None or offset is None:
        return None
    return Resolution(
        how=how,
        audit_partition=record.partition,
        audit_offset=record.offset,
        topic=topic,
        partition=partition,
        offset=offset,
        at=_time(header(record, CE.TIME), record),
        recorded=_recorded(record),
        who=_text(value, "who"),
        reason=_text(value, "reason"),
    )


def _registration(record: Record, decoded: Decoded | None) -> Registration | None:
    agent_id = _usable(record.key, "key")
    if agent_id is None:
        return None
    return Registration(
        partition=record.partition,
        offset=record.offset,
        agent_id=agent_id,
        definition=decoded.datum if decoded else None,
        tombstone=record.value is None,
        at=_time(header(record, CE.TIME), record),
    )


def position(topic: str, partition: int, offset: int) -> str:
    """Name a record by where it lies: ``agent_messages/0/42``."""
    return f"{topic}/{partition}/{offset}"


# A decoded value has the shape of its writer's schema, which may be older than ours or no one's we know.


def _text(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    return found if isinstance(found, str) else ""


def _texts(value: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = value.get(name)
    return tuple(str(one) for one in found) if isinstance(found, list) else ()


def _integer(value: Mapping[str, Any], name: str) -> int | None:
    found = value.get(name)
    return found if type(found) is int else None


def _usable(value: bytes | None, name: str) -> str | None:
    try:
        return text(value, name)
    except Refusal:
        return None


def _plain(record: Record, name: str) -> str:
    # Details may be longer than an identifier and hold line breaks; they are shown, never compared.
    return (record.header(name) or b"").decode(errors="replace")


def _number(value: str | None) -> int | None:
    # SQLite's integers end at 2**63, so more digits than 18 are no number here.
    is_number = value is not None and value.isascii() and value.isdecimal() and len(value) <= 18  # noqa: PLR2004
    return int(value) if is_number and value is not None else None


def _count(value: int | None) -> int:
    # Counts are summed. What no message can have cost is as unusable as what is no number.
    return value if value is not None and 0 <= value <= _MOST else 0


def _time(value: str | None, record: Record) -> int:
    recorded = _recorded(record)
    try:
        parsed = datetime.fromisoformat(value or "")
        said = int(parsed.timestamp() * 1000) if parsed.tzinfo else recorded
    except (ValueError, OverflowError):
        return recorded
    # A record that has no time of its own says nothing about when it was written.
    return min(said, recorded) if record.timestamp_ms > 0 else said


def _recorded(record: Record) -> int:
    return min(max(record.timestamp_ms, 0), _LAST_MS)


_MOST: Final = 1_000_000
_LAST_MS: Final = 253_402_300_799_999
"""The end of the year 9999: no later time can be shown, and a producer may write any number."""


_READERS: Final[Mapping[str, Callable[[Record, Decoded | None], Fact | None]]] = {
    INCOMING_LEADS: _incoming,
    INTAKE_DEAD_LETTERS: _dead_letter,
    AGENT_MESSAGES: _message,
    AGENT_ROUTES: _decision,
    MESSAGE_DEAD_LETTERS: _dead_letter,
    GOVERNANCE_AUDIT: _closing,
    AGENT_REGISTRY: _registration,
}
TOPICS: Final = (*_READERS, AGENT_GRANTS)
"""The topics that the console follows."""

_CLOSINGS: Final[Mapping[RecordType, str]] = {DISCARDED: "discarded", REPLAYED: "replayed"}
_VALUES: Final[Mapping[str, RecordType]] = {
    AGENT_ROUTES: DECIDED,
    AGENT_REGISTRY: REGISTERED,
    AGENT_GRANTS: GRANTED,
}
