"""What a lead says, as a digest: the same for a redelivery, whichever contract version wrote it.

It is a function of what was written and by which schema, never of the contract in force: that may change
between a lead and its redelivery. Left out is when it was captured, since a connector may say something else
each time, and every field that has its default or says nothing: another version of the contract may lack it.
Names, not positions, say what a value is, and numbers, times and bytes count by what they mean. A field that
was renamed counts by the last of its aliases.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from functools import singledispatch
from typing import Any, Final, TypeAlias

from signalbox.avro import ParsedSchema
from signalbox.avro.form import reader_form, writer_form
from signalbox.gate import Accepted
from signalbox.protocol.errors import Refusal

Plain: TypeAlias = tuple["Plain | str", ...]
"""A value as its kind and its parts, all text: equal values have equal ones."""

CAPTURED_AT: Final = "captured_at"
_EXACT: Final = Context(prec=1_000_000, Emax=MAX_EMAX, Emin=MIN_EMIN)
_VERSION: Final = "2"
"""Of the way in which a digest is made: digests of different ways say nothing about each other."""


def content_of(lead: Accepted) -> str:
    """Return what stands for the content of ``lead``, as it was written."""
    try:
        return content_digest(*lead.written())
    except Refusal:
        # The contract passes over what can't be decoded. The bytes say the same as often as they come.
        return _digest(("bytes", hashlib.sha256(lead.record.value or b"").hexdigest()))


def content_digest(datum: Mapping[str, Any], schema: ParsedSchema) -> str:
    """Return what stands for the content of ``datum``, which ``schema`` has written."""
    return _digest(_plain(datum, _form(schema)))


def _digest(plain: Plain) -> str:
    return f"{_VERSION}:{hashlib.sha256(repr(plain).encode('utf-8', 'surrogatepass')).hexdigest()}"


def _form(schema: ParsedSchema) -> Any:
    try:
        return reader_form(schema)
    except Refusal:
        return writer_form(schema)  # a writer's default that does not fit its field is none


def comparable(digest: str) -> bool:
    """Say whether ``digest`` was made as :func:`content_digest` makes one now."""
    return digest.startswith(f"{_VERSION}:")


def _plain(value: Any, form: Any) -> Plain:
    match value:
        case Mapping():
            record = _record_form(form, value)
            return _map(value, form) if record is None else ("fields", *_fields(value, record))
        case list() | tuple():
            return ("items", *(_plain(item, _inner(form, "items")) for item in value))
        case _:
            return _leaf(value)


def _fields(value: Mapping[str, Any], form: Mapping[str, Any]) -> Iterator[Plain]:
    for field in sorted(form["fields"], key=_known_as):
        name, known_as = field["name"], _known_as(field)
        if known_as == CAPTURED_AT or name not in value:
            continue
        said = _plain(value[name], field["type"])
        if said != _plain(field.get("default"), field["type"]):
            yield (known_as, said)


def _known_as(field: Mapping[str, Any]) -> str:
    return str([field["name"], *field.get("aliases", ())][-1])


def _map(value: Mapping[str, Any], form: Any) -> Plain:
    inner = _inner(form, "values")
    return ("map", *((name, _plain(value[name], inner)) for name in sorted(value)))


def _record_form(form: Any, value: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Find the record in ``form`` that ``value`` is one of; None when it is a map."""
    records = [one for one in _branches(form) if isinstance(one, Mapping) and one.get("type") == "record"]
    return next((one for one in records if {field["name"] for field in one["fields"]} == set(value)), None)


def _inner(form: Any, what: str) -> Any:
    return next((one[what] for one in _branches(form) if isinstance(one, Mapping) and what in one), None)


def _branches(form: Any) -> Sequence[Any]:
    return form if isinstance(form, list) else [form]


@singledispatch
def _leaf(value: Any) -> Plain:
    return ("text", str(value))  # a UUID, for one


@_leaf.register
def _(value: None) -> Plain:
    return ("null",)


@_leaf.register
def _(value: bool) -> Plain:
    return ("boolean", str(value))


@_leaf.register(int)
@_leaf.register(float)
@_leaf.register(Decimal)
def _(value: int | float | Decimal) -> Plain:
    if isinstance(value, float) and not math.isfinite(value):
        return ("number", str(value))
    exact = Decimal(value)
    return ("number", "0" if exact == 0 else str(exact.normalize(_EXACT)))


@_leaf.register
def _(value: bytes) -> Plain:
    # Avro's promotions read bytes as a string and back, so both are one.
    return ("text", value.decode("utf-8", "surrogateescape"))


@_leaf.register
def _(value: datetime) -> Plain:
    known = value if value.tzinfo is None else value.astimezone(UTC)
    return ("time", known.isoformat())


@_leaf.register(date)
@_leaf.register(time)
def _(value: date | time) -> Plain:
    return ("time", value.isoformat())
