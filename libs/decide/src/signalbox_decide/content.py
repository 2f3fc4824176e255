"""What a lead says, as a digest: the same for a redelivery, whichever contract version wrote it.

Left out is when it was captured, since a connector may say something else each time, and every field that has
its default: another version of the contract may lack it. Names, not positions, say what a value is, and
numbers, times and bytes count by what they mean.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from functools import singledispatch
from typing import Any, Final, TypeAlias

from signalbox.avro import ParsedSchema
from signalbox.avro.form import reader_form

Plain: TypeAlias = tuple["Plain | str", ...]
"""A value as its kind and its parts, all text: equal values have equal ones."""

CAPTURED_AT: Final = "captured_at"
_EXACT: Final = Context(prec=1_000_000, Emax=MAX_EMAX, Emin=MIN_EMIN)
_VERSION: Final = "1"
"""Of the way in which a digest is made: digests of different ways say nothing about each other."""


def content_digest(datum: Mapping[str, Any], schema: ParsedSchema) -> str:
    """Return what stands for the content of ``datum``, as ``schema`` has read it."""
    plain = repr(_plain(datum, reader_form(schema)))
    return f"{_VERSION}:{hashlib.sha256(plain.encode('utf-8', 'surrogatepass')).hexdigest()}"


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
    for field in sorted(form["fields"], key=lambda one: str(one["name"])):
        name = field["name"]
        if name == CAPTURED_AT or name not in value:
            continue
        said = _plain(value[name], field["type"])
        if "default" not in field or said != _plain(field["default"], field["type"]):
            yield (name, said)


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
