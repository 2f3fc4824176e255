"""What headers say: each attribute is needed, decides something, or only informs; only the first two cost.

A header that only informs (what caused a message, its trace) is left out when it is unusable. One on which
something is decided (ids, types, the counts that the guards rely on) is refused when it is malformed: a count
that can't be read must not become none. A null or empty one that may be absent is absent.
"""

import re
from datetime import UTC, datetime
from typing import Final

from signalbox.protocol.errors import Refusal
from signalbox.protocol.headers import CE
from signalbox.protocol.names import AgentId, Headers
from signalbox.protocol.reasons import Reason

CONTENT_TYPE: Final = "application/avro"
SPEC_VERSION: Final = "1.0"
TEXT_LIMIT: Final = 512
"""Characters of a key or a header that is read."""
KNOWN: Final = (
    CE.SPECVERSION,
    CE.ID,
    CE.SOURCE,
    CE.TYPE,
    CE.TIME,
    "content-type",
    CE.CORRELATIONID,
    CE.CAUSATIONID,
    CE.HOP,
    "traceparent",
    CE.WORKFLOWTIME,
    CE.TOKENS,
    CE.COST,
    CE.USEDTOKENS,
    CE.USEDCOST,
    CE.VISITS,
)
"""The headers that are read; all others are none of our business, whatever they are."""

_TRACE: Final = "traceparent"
_INFORMATIVE: Final = frozenset({CE.CAUSATIONID, _TRACE})
_COUNTS: Final = frozenset({CE.TOKENS, CE.COST, CE.USEDTOKENS, CE.USEDCOST, CE.VISITS})
_EMPTY_IS_ABSENT: Final = _COUNTS | {"content-type", CE.CAUSATIONID, CE.WORKFLOWTIME}
_OF_A_LEAD: Final = (CE.SPECVERSION, CE.ID, CE.SOURCE, CE.TYPE, CE.TIME, "content-type", _TRACE)
_VISITS_LIMIT: Final = 8192
"""Room for each of a hundred agents by name."""
_TRACEPARENT: Final = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_RFC_3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_VISIT: Final = re.compile(r"([A-Za-z0-9_.-]+)=(\d{1,9})")
_NUMBER: Final = re.compile(r"\d{1,15}")


def attributes_of(headers: Headers) -> dict[str, str]:
    """Return the known attributes as texts; ``traceparent`` is empty when it is none.

    Raises:
        Refusal: ``HEADER_INVALID``, when one that decides something is no text.
    """
    # A header that repeats is legal in Kafka; the last one counts, as it does for Kafka's lastHeader().
    given = {name: value for name, value in dict(headers).items() if name in KNOWN}
    attributes = {}
    for name, value in given.items():
        if not value and name in _EMPTY_IS_ABSENT:
            continue
        try:
            attributes[name] = text(value, name)
        except Refusal:
            if name not in _INFORMATIVE:
                raise
            if name == _TRACE:
                attributes[name] = ""
    return attributes


def attributes_of_a_lead(headers: Headers) -> dict[str, str]:
    """Return what a record of ``incoming_leads`` says of itself; none of it is needed, and empty is absent.

    Raises:
        Refusal: ``HEADER_INVALID``, when one that says what the record is, is no text.
    """
    said = ((name, value) for name, value in dict(headers).items() if name in _OF_A_LEAD)
    return attributes_of(tuple((name, value) for name, value in said if value or name == _TRACE))


def text(value: bytes | None, name: str) -> str:
    """Decode a key or header.

    Raises:
        Refusal: ``HEADER_INVALID``, when it is missing, empty, not UTF-8, over 512 characters or has
            control characters.
    """
    if not value:
        raise Refusal(Reason.HEADER_INVALID, f"{name} is missing or empty", name)
    limit = _VISITS_LIMIT if name == CE.VISITS else TEXT_LIMIT
    try:
        decoded = value.decode()
    except UnicodeDecodeError as error:
        raise Refusal(Reason.HEADER_INVALID, f"{name} is not UTF-8: {error.reason}", name) from error
    if len(decoded) > limit:
        raise Refusal(Reason.HEADER_INVALID, f"{name} is longer than {limit} characters", name)
    if any(ord(character) < ord(" ") or character == "\x7f" for character in decoded):
        raise Refusal(Reason.HEADER_INVALID, f"{name} has a control character", name)
    return decoded


def encoded(value: str) -> bytes:
    """Return a header of HTTP as one of Kafka's."""
    return value.encode("utf-8", "surrogatepass")


def same(_: str, value: str) -> str:
    """Take ``value`` as it is."""
    return value


def is_traceparent(value: str) -> bool:
    """Say whether ``value`` is a ``traceparent`` of W3C Trace Context, section 3.2."""
    return _TRACEPARENT.fullmatch(value) is not None


def spec_version(name: str, value: str) -> None:
    """Refuse another version of CloudEvents."""
    if value != SPEC_VERSION:
        raise Refusal(Reason.HEADER_INVALID, f"{name} is {value!r}, expected {SPEC_VERSION!r}", name)


def content_type(name: str, value: str) -> None:
    """Refuse what says that it is no Avro."""
    if value.split(";", maxsplit=1)[0].strip().lower() != CONTENT_TYPE:
        raise Refusal(Reason.HEADER_INVALID, f"{name} is {value!r}, expected {CONTENT_TYPE!r}", name)


def number(name: str, value: str) -> int:
    """Read a count."""
    if not (_NUMBER.fullmatch(value) and value.isascii()):
        raise Refusal(Reason.HEADER_INVALID, f"{name} is {value!r}, expected a decimal number", name)
    return int(value)


def time(name: str, value: str) -> datetime:
    """Read a time of RFC 3339."""
    try:
        if not _RFC_3339.fullmatch(value):  # fromisoformat takes more, week dates for one
            raise ValueError("not of the form 2026-01-31T12:00:00Z")
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        detail = f"{name} is {value!r}, expected an RFC 3339 time: {error}"
        raise Refusal(Reason.HEADER_INVALID, detail, name) from error


def visits(name: str, value: str) -> dict[AgentId, int]:
    """Read how often a workflow visited each agent."""
    matches = [_VISIT.fullmatch(part) for part in value.split(",") if part]
    if not all(matches):
        raise Refusal(Reason.HEADER_INVALID, f"{name} is {value!r}, expected agent=number,…", name)
    return {AgentId(match[1]): int(match[2]) for match in matches if match}


def time_text(time: datetime) -> str:
    """Write ``time`` as RFC 3339 in UTC, to the millisecond."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
