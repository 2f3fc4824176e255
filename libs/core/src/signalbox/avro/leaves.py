"""The walks over values that hold no others: bounds, ranges, texts. :mod:`signalbox.avro.scan` joins them."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Final, TypeAlias

from signalbox.avro.limits import Limits
from signalbox.avro.types import Logical, Primitive
from signalbox.protocol.errors import Refusal
from signalbox.protocol.reasons import Reason

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST_MICROS: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_LAST_MICROS: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
_DAY_MILLIS: Final = 24 * 60 * 60 * 1000
_RANGES: Final = {
    "timestamp-millis": (-(-_FIRST_MICROS // 1000), _LAST_MICROS // 1000),
    "timestamp-micros": (_FIRST_MICROS, _LAST_MICROS),
    "date": ((date.min - _EPOCH.date()).days, (date.max - _EPOCH.date()).days),
    "time-millis": (0, _DAY_MILLIS - 1),
    "time-micros": (0, _DAY_MILLIS * 1000 - 1),
}
"""What Python's datetime types can hold; a decoder overflows, or silently wraps, beyond it."""
_INT: Final = (-(2**31), 2**31 - 1)
_LONG: Final = (-(2**63), 2**63 - 1)
_SHIFTS: Final = range(7, 70, 7)
_UUID: Final = re.compile(rb"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")


class Fault(Exception):
    """Where and why a walk stopped; the path is gathered on the way out."""

    def __init__(self, detail: str, offset: int, reason: Reason = Reason.MALFORMED) -> None:
        super().__init__(detail)
        self.detail = detail
        self.offset = offset
        self.reason = reason
        self._path: list[str] = []

    def inside(self, step: str) -> None:
        self._path.append(step)

    def refusal(self) -> Refusal:
        path = "".join(reversed(self._path)).removeprefix(".")
        return Refusal(self.reason, f"{self.detail}, at byte {self.offset} of the Avro body", path)


class Tally:
    """What one walk has counted so far."""

    __slots__ = ("items", "limits", "values")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.items = 0
        self.values = 0

    def count(self, items: int, values: int, offset: int) -> None:
        self.items += items
        self.values += values
        if self.items > self.limits.max_items:
            detail = f"more than {self.limits.max_items} array and map items"
            raise Fault(detail, offset, Reason.TOO_LARGE)
        if self.values > self.limits.max_values:
            detail = f"more than {self.limits.max_values} values"
            raise Fault(detail, offset, Reason.TOO_LARGE)


Walk: TypeAlias = Callable[[bytes, int, Tally], int]
"""Goes over one datum that starts at an offset, and returns the offset behind it."""


def primitive(node: Primitive) -> Walk:  # noqa: PLR0911  (one a type)
    match node.kind:
        case "null":
            return _null
        case "boolean":
            return _boolean
        case "int":
            return _number(node.logical, _INT, "int")
        case "long":
            return _long if node.logical is None else _number(node.logical, _LONG, "long")
        case "float":
            return fixed(4, None)
        case "double":
            return fixed(8, None)
        case "bytes":
            return _bytes if node.logical is None else _decimal(node.logical)
        case _:
            return text if node.logical is None else _uuid


def _null(_: bytes, at: int, __: Tally) -> int:
    return at


def _boolean(body: bytes, at: int, _: Tally) -> int:
    if body[at] > 1:
        raise Fault(f"a boolean is 0x{body[at]:02x}", at)
    return at + 1


def varint(body: bytes, at: int) -> tuple[int, int]:
    """Read a zigzag varint of at most ten bytes and 64 bits: its value and the offset behind it."""
    first = body[at]
    if first < 0x80:  # noqa: PLR2004  (the continuation bit)
        return (first >> 1) ^ -(first & 1), at + 1
    raw, here = first & 0x7F, at
    for shift in _SHIFTS:
        here += 1
        byte = body[here]
        if byte < 0x80:  # noqa: PLR2004
            raw |= byte << shift
            break
        raw |= (byte & 0x7F) << shift
    else:
        raise Fault("a varint has more than ten bytes", at)
    if raw >> 64:
        raise Fault("a varint has more than 64 bits", at)
    return (raw >> 1) ^ -(raw & 1), here + 1


def _long(body: bytes, at: int, _: Tally) -> int:
    return at + 1 if body[at] < 0x80 else varint(body, at)[1]  # noqa: PLR2004


def _number(logical: Logical | None, bounds: tuple[int, int], kind: str) -> Walk:
    what = logical.name if logical else kind
    low, high = _RANGES[what.removeprefix("local-")] if logical else bounds

    def walk(body: bytes, at: int, _: Tally) -> int:
        value, end = varint(body, at)
        if not low <= value <= high:
            raise Fault(f"{value} is out of range for {what}", at)
        return end

    return walk


def span(body: bytes, at: int) -> tuple[int, int]:
    """Read a length and check that so many bytes follow: where they start and end."""
    length, start = varint(body, at)
    if length < 0:
        raise Fault(f"a length is {length}", at)
    if start + length > len(body):
        raise _too_long(body, at, length, start)
    return start, start + length


def _too_long(body: bytes, at: int, length: int, start: int) -> Fault:
    return Fault(f"a length is {length}, but {len(body) - start} bytes follow", at)


def _bytes(body: bytes, at: int, _: Tally) -> int:
    return span(body, at)[1]


def text(body: bytes, at: int, _: Tally) -> int:
    first = body[at]
    if first & 0x81 == 0:  # one byte, not negative: nearly every string is that short
        start = at + 1
        end = start + (first >> 1)
        if end > len(body):
            raise _too_long(body, at, first >> 1, start)
    else:
        start, end = span(body, at)
    try:
        body[start:end].decode()
    except UnicodeDecodeError as error:
        raise Fault(f"a string is not UTF-8: {error.reason}", start + error.start) from None
    return end


def _uuid(body: bytes, at: int, _: Tally) -> int:
    start, end = span(body, at)
    if not _UUID.fullmatch(body, start, end):
        raise Fault("a string is not a UUID", start)
    return end


def _decimal(logical: Logical) -> Walk:
    check = _decimal_check(logical)

    def walk(body: bytes, at: int, _: Tally) -> int:
        start, end = span(body, at)
        check(body, start, end)
        return end

    return walk


def _decimal_check(logical: Logical) -> Callable[[bytes, int, int], None]:
    # Converting a number of n digits takes n² steps, so its size is looked at before its value.
    bound = int(10**logical.precision)
    enough = bound.bit_length() // 8 + 1

    def check(body: bytes, start: int, end: int) -> None:
        padding = max(end - start - enough, 0)
        filler = b"\xff" if padding and body[start] & 0x80 else b"\x00"
        fits = body.count(filler, start, start + padding) == padding
        # One byte of the padding stays, for the sign.
        unscaled = int.from_bytes(body[start + max(padding - 1, 0) : end], "big", signed=True)
        if not (fits and -bound < unscaled < bound):
            raise Fault(f"a decimal has more than {logical.precision} digits", start)

    return check


def fixed(size: int, logical: Logical | None) -> Walk:
    check = _decimal_check(logical) if logical else None

    def walk(body: bytes, at: int, _: Tally) -> int:
        end = at + size
        if end > len(body):
            raise Fault(f"{size} bytes are needed, but {len(body) - at} follow", at)
        if check:
            check(body, at, end)
        return end

    return walk


def enumeration(symbols: int) -> Walk:
    def walk(body: bytes, at: int, _: Tally) -> int:
        index, end = varint(body, at)
        if not 0 <= index < symbols:
            raise Fault(f"an enum's index is {index}, but it has {symbols} symbols", at)
        return end

    return walk
