"""The envelope: CloudEvents 1.0 attributes in the Kafka protocol binding's binary mode.

Source: CloudEvents 1.0.2, *Kafka Protocol Binding* section 3.2 (headers ``ce_<attribute>``) and
*HTTP Protocol Binding* section 3.1 (headers ``ce-<attribute>``); W3C Trace Context for ``traceparent``.
"""

import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, TypeVar

from signalbox.errors import Refusal
from signalbox.names import AgentId, CorrelationId, Headers, LeadId, MessageId, RecordType
from signalbox.reasons import Reason
from signalbox.records import Record

_T = TypeVar("_T")

NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "https://signalbox.example/ids")
"""The UUIDv5 namespace of every id that is derived, so that a redelivery derives the same."""

CONTENT_TYPE: Final = "application/avro"
SPEC_VERSION: Final = "1.0"
TEXT_LIMIT: Final = 512
"""Characters of a key or a header that is read."""
_VISITS_LIMIT: Final = 8192
"""Room for each of a hundred agents by name."""
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_RFC_3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_VISIT: Final = re.compile(r"([A-Za-z0-9_.-]+)=(\d{1,9})")
_NUMBER: Final = re.compile(r"\d{1,15}")


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
    """A message's attributes. Times are aware UTC datetimes; ``tokens`` counts model tokens so far."""

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

    @classmethod
    def parse(cls, headers: Headers) -> "Envelope":
        """Read the attributes of a record of ``agent_messages`` or ``agent_routes``.

        Raises:
            Refusal: ``HEADER_INVALID``, when a required header is missing or any known one is malformed.
        """
        return _read(_attributes(headers))

    @classmethod
    def parse_http(cls, headers: Mapping[str, str]) -> "Envelope":
        """Read the attributes from HTTP headers ``ce-*``; names are matched in lower case."""
        known = {name.lower(): value for name, value in headers.items()}
        attributes = {name: known[_http_name(name)] for name in _KNOWN if _http_name(name) in known}
        return _read({name: _checked(name, value) for name, value in attributes.items()})

    def headers(self) -> Headers:
        """Write the attributes as Kafka headers."""
        return tuple((name, value.encode()) for name, value in self._texts())

    def http_headers(self) -> dict[str, str]:
        """Write the attributes as HTTP headers; the caller sets the content type."""
        return {_http_name(name): value for name, value in self._texts() if name != "content-type"}

    def answered_by(
        self, agent: AgentId, record_type: RecordType, ordinal: int, *, source: str, tokens: int = 0
    ) -> "Envelope":
        """Make the envelope of an agent's answer: one hop on, one visit and ``tokens`` more."""
        return replace(
            self,
            id=answer_id(self.id, agent, record_type, ordinal),
            source=source,
            type=record_type,
            time=datetime.now(UTC),
            hop=self.hop + 1,
            causation_id=self.id,
            tokens=self.tokens + tokens,
            visits={**self.visits, agent: self.visits.get(agent, 0) + 1},
        )

    def _texts(self) -> Iterable[tuple[str, str]]:
        yield "ce_specversion", SPEC_VERSION
        yield "ce_id", self.id
        yield "ce_source", self.source
        yield "ce_type", self.type
        yield "ce_time", time_text(self.time)
        yield "content-type", CONTENT_TYPE
        yield "ce_correlationid", self.correlation_id
        if self.causation_id is not None:
            yield "ce_causationid", self.causation_id
        yield "ce_hop", str(self.hop)
        if self.traceparent is not None:
            yield "traceparent", self.traceparent
        if self.workflow_time is not None:
            yield "ce_workflowtime", time_text(self.workflow_time)
        yield "ce_tokens", str(self.tokens)
        yield "ce_visits", ",".join(f"{agent}={count}" for agent, count in self.visits.items())


def completed(record: Record, record_type: RecordType, lead_id: LeadId, *, source: str) -> Envelope:
    """Make the envelope of a record of ``incoming_leads``: what it says is kept, what is missing is given.

    Foreign producers and connectors set no CloudEvents headers, so the id comes from the record's
    position, and a redelivery gets the same one. The workflow starts here: hop 0, no visits, no tokens.

    Raises:
        Refusal: ``HEADER_INVALID``, when a header that is there is malformed.
    """
    now = time_text(datetime.now(UTC))
    given = {
        "ce_specversion": SPEC_VERSION,
        "ce_id": intake_id(record.topic, record.partition, record.offset),
        "ce_source": source,
        "ce_type": record_type,
        "ce_time": now,
        **_attributes(record.headers),
    }
    started = {
        "ce_correlationid": correlation_id_of(lead_id),
        "ce_hop": "0",
        "ce_workflowtime": now,
        "ce_tokens": "0",
        "ce_visits": "",
    }
    return _read({**given, **started})


def text(value: bytes | None, name: str) -> str:
    """Decode a key or header.

    Raises:
        Refusal: ``HEADER_INVALID``, when it is missing, empty, not UTF-8, over 512 characters or has
            control characters.
    """
    if not value:
        raise Refusal(Reason.HEADER_INVALID, f"{name} is missing or empty", name)
    try:
        decoded = value.decode()
    except UnicodeDecodeError as error:
        raise Refusal(Reason.HEADER_INVALID, f"{name} is not UTF-8: {error.reason}", name) from error
    return _checked(name, decoded)


def _checked(name: str, value: str) -> str:
    limit = _VISITS_LIMIT if name == "ce_visits" else TEXT_LIMIT
    if len(value) > limit:
        raise Refusal(Reason.HEADER_INVALID, f"{name} is longer than {limit} characters", name)
    if any(ord(character) < ord(" ") or character == "\x7f" for character in value):
        raise Refusal(Reason.HEADER_INVALID, f"{name} has a control character", name)
    return value


def _attributes(headers: Headers) -> dict[str, str]:
    # A header that repeats is legal in Kafka; the last one counts, as it does for Kafka's lastHeader().
    return {
        name: "" if name in _MAY_BE_EMPTY and not value else text(value, name)
        for name, value in dict(headers).items()
        if name in _KNOWN
    }


def _read(attributes: Mapping[str, str]) -> Envelope:
    def required(name: str, parse: Callable[[str, str], _T]) -> _T:
        if name not in attributes:
            raise Refusal(Reason.HEADER_INVALID, f"the required header {name} is missing", name)
        return parse(name, attributes[name])

    def optional(name: str, parse: Callable[[str, str], _T], default: _T) -> _T:
        return parse(name, attributes[name]) if name in attributes else default

    required("ce_specversion", _spec_version)
    optional("content-type", _content_type, None)
    return Envelope(
        id=MessageId(required("ce_id", _same)),
        source=required("ce_source", _same),
        type=RecordType(required("ce_type", _same)),
        time=required("ce_time", _time),
        correlation_id=CorrelationId(required("ce_correlationid", _same)),
        hop=required("ce_hop", _number),
        causation_id=_message_id(attributes.get("ce_causationid")),
        # Trace Context section 3.2.2: a traceparent that can't be parsed is ignored, not an error.
        traceparent=optional("traceparent", _trace, None),
        workflow_time=optional("ce_workflowtime", _time, None),
        tokens=optional("ce_tokens", _number, 0),
        visits=optional("ce_visits", _visits, {}),
    )


def _message_id(value: str | None) -> MessageId | None:
    return None if value is None else MessageId(value)


def _same(_: str, value: str) -> str:
    return value


def _trace(_: str, value: str) -> str | None:
    return value if _TRACEPARENT.fullmatch(value) else None


def _spec_version(name: str, value: str) -> None:
    if value != SPEC_VERSION:
        raise Refusal(Reason.HEADER_INVALID, f"{name} is {value!r}, expected {SPEC_VERSION!r}", name)


def _content_type(name: str, value: str) -> None:
    if value.split(";", maxsplit=1)[0].strip().lower() != CONTENT_TYPE:
        raise Refusal(Reason.HEADER_INVALID, f"{name} is {value!r}, expected {CONTENT_TYPE!r}", name)


def _number(name: str, value: str) -> int:
    if not (_NUMBER.fullmatch(value) and value.isascii()):
        raise Refusal(Reason.HEADER_INVALID, f"{name} is {value!r}, expected a decimal number", name)
    return int(value)


def _time(name: str, value: str) -> datetime:
    try:
        if not _RFC_3339.fullmatch(value):  # fromisoformat takes more, week dates for one
            raise ValueError("not of the form 2026-01-31T12:00:00Z")
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        detail = f"{name} is {value!r}, expected an RFC 3339 time: {error}"
        raise Refusal(Reason.HEADER_INVALID, detail, name) from error


def _visits(name: str, value: str) -> dict[AgentId, int]:
    matches = [_VISIT.fullmatch(part) for part in value.split(",") if part]
    if not all(matches):
        raise Refusal(Reason.HEADER_INVALID, f"{name} is {value!r}, expected agent=number,…", name)
    return {AgentId(match[1]): int(match[2]) for match in matches if match}


def time_text(time: datetime) -> str:
    """Write ``time`` as RFC 3339 in UTC, to the millisecond."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _http_name(name: str) -> str:
    return name.replace("ce_", "ce-", 1)


_MAY_BE_EMPTY: Final = frozenset({"ce_visits"})
_KNOWN: Final = (
    "ce_specversion",
    "ce_id",
    "ce_source",
    "ce_type",
    "ce_time",
    "content-type",
    "ce_correlationid",
    "ce_causationid",
    "ce_hop",
    "traceparent",
    "ce_workflowtime",
    "ce_tokens",
    "ce_visits",
)
