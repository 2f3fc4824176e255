"""The message that a dead letter becomes: the same key, value and headers, under an id of its own."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from signalbox.protocol.dead_letters import DeadLetter, Position
from signalbox.protocol.envelope import (
    CONTENT_TYPE,
    SPEC_VERSION,
    Envelope,
    correlation_id_of,
    replay_id,
    text,
)
from signalbox.protocol.errors import Refusal
from signalbox.protocol.headers import CE
from signalbox.protocol.names import (
    AGENT_MESSAGES,
    AGENT_ROUTES,
    INCOMING_LEADS,
    Headers,
    LeadId,
    MessageId,
    RecordType,
)
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Draft
from signalbox.protocol.replay_marks import REPLAY_OF

GUARDS: Final = frozenset(
    {Reason.HOP_LIMIT, Reason.VISIT_LIMIT, Reason.BUDGET_EXCEEDED, Reason.DEADLINE_EXCEEDED}
)
_SOURCE: Final = "dead-letters"
_TOOK: Final = frozenset({CE.USEDTOKENS, CE.USEDCOST})


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What an operator says about a dead letter's key and headers.

    With ``key`` or ``headers`` given, required headers that are missing or malformed are completed too.
    ``fresh`` starts hop, visits, tokens and the workflow's time afresh, as a guard's dead letter always does.
    """

    key: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    fresh: bool = False

    @property
    def completes(self) -> bool:
        """True when the operator vouches for the headers."""
        return self.key is not None or bool(self.headers)


@dataclass(frozen=True, slots=True)
class ReplayMessage:
    """The message to send, and the names of the headers that were completed for it."""

    draft: Draft
    completed: tuple[str, ...] = ()
    fresh: bool = False


def replay_id_of(at: Position) -> MessageId:
    """Return the id that the replay of the dead letter at ``at`` has, whoever sends it."""
    return replay_id(at.topic, at.partition, at.offset)


def renewed(
    dead_letter: DeadLetter, options: ReplayOptions, record_type: RecordType | None, value: bytes | None
) -> ReplayMessage:
    """Make the message that brings ``dead_letter`` back to the topic that it came from.

    ``value`` is what to send: the original bytes, or those of an edited record; ``record_type`` is what its
    schema says, None when that is not known. The result still has to pass the gate.
    """
    key = dead_letter.original.key if options.key is None else options.key
    # What it took is counted with its dead letter, or with its route before that.
    headers = tuple(pair for pair in dead_letter.original.headers if pair[0] not in _TOOK)
    completed: tuple[str, ...] = ()
    if options.completes:
        wanted = {} if dead_letter.topic == INCOMING_LEADS else _defaults(key, record_type)
        headers, completed = _completed(headers, wanted)
        headers = _set(headers, options.headers)
    fresh = options.fresh or dead_letter.reason in GUARDS
    headers = _set(headers, _identity(dead_letter) | (_afresh() if fresh else {}))
    return ReplayMessage(Draft(dead_letter.topic, key, value, headers), completed, fresh)


def retyped(headers: Headers, record_type: RecordType) -> Headers:
    """Let ``ce_type``, where there is one, say what an edited record is."""
    return _set(headers, {CE.TYPE: record_type}) if any(name == CE.TYPE for name, _ in headers) else headers


def _identity(dead_letter: DeadLetter) -> dict[str, str]:
    own = {CE.ID: str(replay_id_of(dead_letter.position))}
    if dead_letter.topic == AGENT_MESSAGES:
        own[REPLAY_OF] = str(dead_letter.position)
    # A route's cause is the message that it decided on, and stays so.
    return own if dead_letter.topic == AGENT_ROUTES else own | {CE.CAUSATIONID: _cause(dead_letter)}


def _cause(dead_letter: DeadLetter) -> str:
    try:
        return text(dead_letter.original.header(CE.ID), CE.ID)
    except Refusal:
        return str(Position(dead_letter.topic, dead_letter.partition, dead_letter.offset))


def _afresh() -> dict[str, str]:
    return {CE.HOP: "0", CE.TOKENS: "0", CE.COST: "", CE.VISITS: "", CE.WORKFLOWTIME: _now()}


def _defaults(key: bytes | None, record_type: RecordType | None) -> dict[str, str]:
    given = {
        CE.SPECVERSION: SPEC_VERSION,
        CE.ID: "completed",  # the replay's own id comes in its place
        CE.SOURCE: _SOURCE,
        CE.TIME: _now(),
        "content-type": CONTENT_TYPE,
        CE.HOP: "0",
        CE.WORKFLOWTIME: _now(),
    }
    if record_type:
        given[CE.TYPE] = record_type
    with suppress(Refusal):  # the gate will name the key
        given[CE.CORRELATIONID] = correlation_id_of(LeadId(text(key, "key")))
    return given


def _completed(headers: Headers, defaults: Mapping[str, str]) -> tuple[Headers, tuple[str, ...]]:
    """Drop each malformed header, and give what is missing then; also say which were dropped or given."""
    kept = tuple(pair for pair in headers if _well_formed(pair))
    dropped = {name for name, _ in headers} - {name for name, _ in kept}
    missing = {name: value for name, value in defaults.items() if all(name != have for have, _ in kept)}
    told = sorted((dropped | set(missing)) - {CE.ID})
    return _set(kept, missing), tuple(told)


def _well_formed(header: tuple[str, bytes | None]) -> bool:
    try:
        Envelope.parse((*_VALID, header))
    except Refusal:
        return False
    return True


_VALID: Final[Headers] = Envelope(
    id=MessageId("-"),
    source="-",
    type=RecordType("-"),
    time=datetime(2000, 1, 1, tzinfo=UTC),
    correlation_id=correlation_id_of(LeadId("-")),
).headers()
"""Headers that parse: with one more behind them, that one alone decides whether they still do."""


def _set(headers: Headers, values: Mapping[str, str]) -> Headers:
    """Replace each header of ``values``, where it repeats too; the last one would count."""
    others = tuple(pair for pair in headers if pair[0] not in values)
    return others + tuple((name, value.encode("utf-8", "surrogatepass")) for name, value in values.items())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
