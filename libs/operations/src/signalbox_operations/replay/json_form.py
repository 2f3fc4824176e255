"""A datum as JSON that a person can edit, and back: strictly, with the path of what does not fit.

Times are ISO 8601, decimals and UUIDs text, bytes text with one character a byte (Apache Avro 1.12, *JSON
Encoding*); a union's value stands for itself, without the branch's name.
"""

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from functools import partial
from typing import Any, Final

from signalbox.avro import types
from signalbox.avro.types import Logical, Node, RecordNode
from signalbox.protocol.errors import Refusal
from signalbox.protocol.reasons import Reason
from signalbox_operations.replay.json_text import EarlierItems, as_parsed, likely_first, same_json


def from_json(node: Node, value: Any, path: str = "", *, before: Any = None) -> Any:
    """Read parsed JSON as a value of ``node``.

    ``before`` is the value that stood there: where the JSON still says the same, it is taken as it was.

    Raises:
        Refusal: ``MALFORMED``, with the path of the first value that does not fit.
    """
    if before is not None and same_json(value, as_parsed(before)):
        return before
    return _read(node, value, path, before)


def _read(node: Node, value: Any, path: str, before: Any) -> Any:
    match node:
        case RecordNode():
            return _record(node, value, path, before if isinstance(before, Mapping) else {})
        case types.Union(branches=branches):
            return _union(likely_first(branches, value, before), value, path, before)
        case types.Array(items=items):
            listed = _expected(value, list, "a list", path)
            earlier = EarlierItems(before)
            return [
                from_json(items, item, f"{path}[{index}]", before=earlier.of(index, item))
                for index, item in enumerate(listed)
            ]
        case types.Map(values=values):
            mapped = _expected(value, dict, "an object", path)
            earlier_of = before if isinstance(before, Mapping) else {}
            return {
                key: from_json(values, item, f"{path}[{key}]", before=earlier_of.get(key))
                for key, item in mapped.items()
            }
        case types.Enumeration(symbols=symbols):
            if value not in symbols:
                raise _misfit(f"one of {', '.join(symbols)}", value, path)
            return value
        case _:
            return _leaf(node, value, path)


def skeleton(node: Node) -> Any:
    """Make what a person can fill in: defaults where there are some, null where a value is needed."""
    match node:
        case RecordNode(fields=fields):
            return {one.name: one.default if one.has_default else skeleton(one.type) for one in fields}
        case types.Array():
            return []
        case types.Map():
            return {}
        case _:
            return None


def _record(node: RecordNode, value: Any, path: str, before: Mapping[str, Any]) -> dict[str, Any]:
    given = _expected(value, dict, "an object", path)
    fields = {one.name: one for one in node.fields}
    if unknown := [name for name in given if name not in fields]:
        raise Refusal(Reason.MALFORMED, f"{node.name} has no such field", _inside(path, unknown[0]))
    missing = [one.name for one in node.fields if one.name not in given and not one.has_default]
    if missing:
        raise Refusal(Reason.MALFORMED, "the field is required", _inside(path, missing[0]))
    return {
        name: from_json(fields[name].type, item, _inside(path, name), before=before.get(name))
        for name, item in given.items()
    }


def _union(branches: Sequence[Node], value: Any, path: str, before: Any) -> Any:
    faults: list[tuple[int, bool, Refusal]] = []
    for branch in branches:
        try:
            return from_json(branch, value, path, before=before)
        except Refusal as refusal:
            faults.append((len(refusal.field), branch.kind != "null", refusal))
    # The branch that got furthest into the value says best what is wrong with it.
    raise max(faults, key=lambda fault: fault[:2])[2]


def _leaf(node: types.Primitive | types.Fixed, value: Any, path: str) -> Any:
    expected, read = _LOGICAL.get(_name_of(node.logical), (None, None))
    if expected is None or read is None:
        expected, read = _KINDS[node.kind]
    try:
        found = read(value)
    except (ValueError, TypeError, InvalidOperation) as error:
        raise _misfit(expected, value, path) from error
    if isinstance(node, types.Fixed) and isinstance(found, bytes) and len(found) != node.size:
        raise _misfit(f"{node.size} bytes", value, path)
    return found


def _name_of(logical: Logical | None) -> str:
    return logical.name if logical else ""


def _inside(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _misfit(expected: str, value: Any, path: str) -> Refusal:
    return Refusal(Reason.MALFORMED, f"expected {expected}, found {json.dumps(value):.80}", path)


def _expected(value: Any, kind: type, name: str, path: str) -> Any:
    if not isinstance(value, kind):
        raise _misfit(name, value, path)
    return value


def _only(*kinds: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        # A bool is an int to Python, not to Avro.
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise TypeError
        return value

    return read


def _whole(bits: int, value: Any) -> int:
    number: int = _only(int)(value)
    if not -(1 << (bits - 1)) <= number < 1 << (bits - 1):
        raise ValueError
    return number


def _bytes(value: Any) -> bytes:
    text: str = _only(str)(value)
    return text.encode("latin-1")


def _number(value: Any) -> float:
    return float(_only(int, float)(value))


def _aware(value: Any) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError
    return moment


def _local(value: Any) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is not None:
        raise ValueError
    return moment


_AWARE: Final = ("a time with its offset from UTC, like 2026-03-02T09:00:00Z", _aware)
_LOCAL: Final = ("a time without an offset, like 2026-03-02T09:00:00", _local)
_TIME: Final = ("a time of day, like 09:00:00", time.fromisoformat)
_LOGICAL: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    "timestamp-millis": _AWARE,
    "timestamp-micros": _AWARE,
    "local-timestamp-millis": _LOCAL,
    "local-timestamp-micros": _LOCAL,
    "time-millis": _TIME,
    "time-micros": _TIME,
    "date": ("a date, like 2026-03-02", date.fromisoformat),
    "uuid": ("a UUID", uuid.UUID),
    "decimal": ("a decimal number as text", lambda value: Decimal(_only(str)(value))),
}
_KINDS: Final[Mapping[str, tuple[str, Callable[[Any], Any]]]] = {
    "null": ("null", _only(type(None))),
    "boolean": ("true or false", _only(bool)),
    "int": ("a whole number of 32 bits", partial(_whole, 32)),
    "long": ("a whole number of 64 bits", partial(_whole, 64)),
    "float": ("a number", _number),
    "double": ("a number", _number),
    "string": ("a text", _only(str)),
    "bytes": ("a text with one character a byte", _bytes),
    "fixed": ("a text with one character a byte", _bytes),
}
