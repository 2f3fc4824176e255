"""The envelope: CloudEvents 1.0 attributes in the Kafka protocol binding's binary mode.

Source: CloudEvents 1.0.2, *Kafka Protocol Binding* section 3.2 (headers ``ce_<attribute>``) and
*HTTP Protocol Binding* section 3.1 (headers ``ce-<attribute>``); W3C Trace Context for ``traceparent``.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, TypeVar

from signalbox.protocol.attributes import (
    CONTENT_TYPE,
    KNOWN,
    SPEC_VERSION,
    TEXT_LIMIT,
    attributes_of,
    attributes_of_a_lead,
    content_type,
    encoded,
    is_traceparent,
    number,
    same,
    spec_version,
    text,
    time,
    time_text,
    visits,
)
from signalbox.protocol.errors import Refusal
from signalbox.protocol.headers import CE, http_name
from signalbox.protocol.names import AgentId, CorrelationId, Headers, LeadId, MessageId, RecordType
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Record

__all__ = [
    "CONTENT_TYPE",
    "NAMESPACE",
    "SPEC_VERSION",
    "TEXT_LIMIT",
    "Envelope",
    "answer_id",
    "completed",
    "correlation_id_of",
    "derived_id",
    "intake_id",
    "replay_id",
    "route_id",
    "text",
    "time_text",
]

_T = TypeVar("_T")

NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "https://signalbox.example/ids")
"""The UUIDv5 namespace of every id that is derived, so that a redelivery derives the same."""


def derived_id(*parts: str) -> str:
    """Derive a stable UUIDv5 from ``parts``, which are length-prefixed so that none can run into the next."""
    return str(uuid.uuid5(NAMESPACE, "".join(f"{len(part)}:{part}" for part in parts)))


def correlation_id_of(lead_id: LeadId) -> CorrelationId:
    """Return the workflow's id: UUIDv5 of the lead id."""
    return CorrelationId(str(uuid.uuid5(NAMESPACE, lead_id)))


def answer_id(message: MessageId, agent: AgentId, record_type: RecordType, ordinal: int) -> MessageId:
    """Return the id of an agent's ``ordinal``-th answer (from 0) to ``message``."""
    return MessageId(derived_id(message, agent, record_type, str(ordinal)))


def intake_id(topic: str, partition: int, offset: int) -> MessageId:
    """Return the id that intake gives to a record that came without one."""
    return MessageId(derived_id(topic, str(partition), str(offset)))


def route_id(message: MessageId, *refused_by: AgentId) -> MessageId:
    """Return the id of the decision on ``message``; a second decision names who refused it first."""
    return MessageId(derived_id(message, "route", *refused_by))


def replay_id(topic: str, partition: int, offset: int) -> MessageId:
    """Return the id of a dead letter's replay: one dead letter, one replay."""
    return MessageId(derived_id(topic, str(partition), str(offset), "replay"))


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message's attributes. Times are aware UTC datetimes.

    ``tokens`` and ``cost`` are what the workflow's model requests took so far, ``used_tokens`` and
    ``used_cost`` what this message's own did; costs are in billionths of a US dollar.
    """

    id: MessageId
    source: str
    type: RecordType
    time: datetime
    correlation_id: CorrelationId
    hop: int = 0
    causation_id: MessageId | None = None
    traceparent: str | None = None
    workflow_time: datetime | None = None
    tokens: int = 0
    visits: Mapping[AgentId, int] = field(default_factory=dict)
    cost: int = 0
    used_tokens: int = 0
    used_cost: int = 0

    @classmethod
    def parse(cls, headers: Headers) -> "Envelope":
        """Read the attributes of a record of ``agent_messages`` or ``agent_routes``.

        Raises:
            Refusal: ``HEADER_INVALID``, when a header that is needed is missing, or one that decides
                something is malformed.
        """
        return _read(attributes_of(headers))

    @classmethod
    def parse_http(cls, headers: Mapping[str, str]) -> "Envelope":
        """Read the attributes from HTTP headers ``ce-*``; names are matched in lower case."""
        known = {name.lower(): value for name, value in headers.items()}
        given = ((name, known[http_name(name)]) for name in KNOWN if http_name(name) in known)
        return _read(attributes_of(tuple((name, encoded(value)) for name, value in given)))

    def headers(self) -> Headers:
        """Write the attributes as Kafka headers."""
        return tuple((name, value.encode()) for name, value in self._texts())

    def http_headers(self) -> dict[str, str]:
        """Write the attributes as HTTP headers; the caller sets the content type."""
        return {http_name(name): value for name, value in self._texts() if name != "content-type"}

    def answered_by(
        self,
        agent: AgentId,
        record_type: RecordType,
        ordinal: int,
        *,
        source: str,
        tokens: int = 0,
        cost: int = 0,
    ) -> "Envelope":
        """Make the envelope of an agent's answer: one hop on, one visit, ``tokens`` and ``cost`` more."""
        return replace(
            self,
            id=answer_id(self.id, agent, record_type, ordinal),
            source=source,
            type=record_type,
            time=datetime.now(UTC),
            hop=self.hop + 1,
            causation_id=self.id,
            tokens=self.tokens + tokens,
            cost=self.cost + cost,
            used_tokens=tokens,
            used_cost=cost,
            visits={**self.visits, agent: self.visits.get(agent, 0) + 1},
        )

    def _texts(self) -> Iterable[tuple[str, str]]:
        yield CE.SPECVERSION, SPEC_VERSION
        yield CE.ID, self.id
        yield CE.SOURCE, self.source
        yield CE.TYPE, self.type
        yield CE.TIME, time_text(self.time)
        yield "content-type", CONTENT_TYPE
        yield CE.CORRELATIONID, self.correlation_id
        if self.causation_id is not None:
            yield CE.CAUSATIONID, self.causation_id
        yield CE.HOP, str(self.hop)
        if self.traceparent is not None:
            yield "traceparent", self.traceparent
        if self.workflow_time is not None:
            yield CE.WORKFLOWTIME, time_text(self.workflow_time)
        yield CE.TOKENS, str(self.tokens)
        for name, value in (
            (CE.COST, self.cost),
            (CE.USEDTOKENS, self.used_tokens),
            (CE.USEDCOST, self.used_cost),
        ):
            if value:
                yield name, str(value)
        yield CE.VISITS, ",".join(f"{agent}={count}" for agent, count in self.visits.items())


def completed(record: Record, record_type: RecordType, lead_id: LeadId, *, source: str) -> Envelope:
    """Make the envelope of a record of ``incoming_leads``: what it says is kept, what is missing is given.

    Foreign producers and connectors set no CloudEvents headers, so the id comes from the record's
    position, and a redelivery gets the same one. The workflow starts here: hop 0, no visits, no tokens.
    What its headers say of a workflow is not looked at, so it can't cost the lead either.

    Raises:
        Refusal: ``HEADER_INVALID``, when a header that says what the record is, is malformed.
    """
    now = time_text(datetime.now(UTC))
    given = {
        CE.SPECVERSION: SPEC_VERSION,
        CE.ID: intake_id(record.topic, record.partition, record.offset),
        CE.SOURCE: source,
        CE.TYPE: record_type,
        CE.TIME: now,
        **attributes_of_a_lead(record.headers),
    }
    started = {
        CE.CORRELATIONID: correlation_id_of(lead_id),
        CE.HOP: "0",
        CE.WORKFLOWTIME: now,
        CE.TOKENS: "0",
        CE.VISITS: "",
    }
    return _read({**given, **started})


def _read(attributes: Mapping[str, str]) -> Envelope:
    def required(name: str, parse: Callable[[str, str], _T]) -> _T:
        if name not in attributes:
            raise Refusal(Reason.HEADER_INVALID, f"the required header {name} is missing", name)
        return parse(name, attributes[name])

    def optional(name: str, parse: Callable[[str, str], _T], default: _T) -> _T:
        return parse(name, attributes[name]) if name in attributes else default

    required(CE.SPECVERSION, spec_version)
    optional("content-type", content_type, None)
    message = MessageId(required(CE.ID, same))
    return Envelope(
        id=message,
        source=required(CE.SOURCE, same),
        type=RecordType(required(CE.TYPE, same)),
        time=required(CE.TIME, time),
        correlation_id=CorrelationId(required(CE.CORRELATIONID, same)),
        hop=required(CE.HOP, number),
        causation_id=_message_id(attributes.get(CE.CAUSATIONID)),
        traceparent=_trace(attributes.get("traceparent"), message),
        workflow_time=optional(CE.WORKFLOWTIME, time, None),
        tokens=optional(CE.TOKENS, number, 0),
        visits=optional(CE.VISITS, visits, {}),
        cost=optional(CE.COST, number, 0),
        used_tokens=optional(CE.USEDTOKENS, number, 0),
        used_cost=optional(CE.USEDCOST, number, 0),
    )


def _message_id(value: str | None) -> MessageId | None:
    return None if value is None else MessageId(value)


def _trace(value: str | None, message: MessageId) -> str | None:
    # Trace Context section 3.2.2: one that can't be parsed is no error, and a new trace begins. A redelivery
    # is in the same one.
    if value is None or is_traceparent(value):
        return value
    trace, span = (uuid.UUID(derived_id(message, what)).hex for what in ("trace", "span"))
    return f"00-{trace}-{span[:16]}-01"
