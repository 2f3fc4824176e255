"""Walk over Avro binary before any object is built: bounds, counts and ranges, and where the first fault is.

A walker is compiled once per writer schema. It accepts everything that the specification calls legal,
block counts below zero and varints with superfluous zero bytes included, and nothing else; what passes can
be decoded without surprise. Source: Apache Avro 1.12 specification, *Binary Encoding*.
"""

from functools import lru_cache
from typing import Final

from signalbox.avro import types
from signalbox.avro.leaves import Fault, Tally, Walk, enumeration, fixed, primitive, span, text, varint
from signalbox.avro.limits import Limits
from signalbox.avro.schema import ParsedSchema
from signalbox.avro.types import Node

_SHOWN: Final = 80


def scan(body: bytes, schema: ParsedSchema, limits: Limits) -> None:
    """Check that ``body`` is exactly one datum of ``schema``, and no larger than ``limits`` say.

    Raises:
        Refusal: ``TOO_LARGE`` or ``MALFORMED``, with the offset and the path of the failing field.
    """
    try:
        end = _compiled(schema)(body, 0, Tally(limits))
        if end < len(body):
            raise Fault(f"{len(body) - end} bytes are left over after the datum", end)
    except Fault as fault:
        raise fault.refusal() from None
    except IndexError:
        raise Fault("the bytes end inside a value", len(body)).refusal() from None


@lru_cache(maxsize=4096)
def _compiled(schema: ParsedSchema) -> Walk:
    return _Compiler().walk(schema.root)


class _Compiler:
    """Makes one walk per node, so that a type that is used often is compiled once."""

    def __init__(self) -> None:
        self._walks: dict[int, Walk] = {}

    def walk(self, node: Node) -> Walk:
        if id(node) not in self._walks:
            self._walks[id(node)] = self._compile(node)
        return self._walks[id(node)]

    def _compile(self, node: Node) -> Walk:  # noqa: PLR0911  (one a type)
        match node:
            case types.RecordNode():
                fields = tuple((field.name, self.walk(field.type)) for field in node.fields)
                return _record(fields, sum(types.weight(field.type) for field in node.fields))
            case types.Union():
                return _union(tuple(self.walk(branch) for branch in node.branches))
            case types.Array():
                return _array(self.walk(node.items), types.weight(node.items))
            case types.Map():
                return _map(self.walk(node.values), 1 + types.weight(node.values))
            case types.Enumeration():
                return enumeration(len(node.symbols))
            case types.Fixed():
                return fixed(node.size, node.logical)
            case types.Primitive():
                return primitive(node)


def _union(branches: tuple[Walk, ...]) -> Walk:
    count = len(branches)

    def walk(body: bytes, at: int, tally: Tally) -> int:
        first = body[at]
        if first & 0x81 == 0 and first >> 1 < count:
            return branches[first >> 1](body, at + 1, tally)
        index, end = varint(body, at)
        if not 0 <= index < count:
            raise Fault(f"a union's branch is {index}, but it has {count} branches", at)
        return branches[index](body, end, tally)

    return walk


def _record(fields: tuple[tuple[str, Walk], ...], values: int) -> Walk:
    def walk(body: bytes, at: int, tally: Tally) -> int:
        tally.count(0, values, at)
        name = ""
        try:
            for name, field in fields:  # noqa: B007  (told to the fault)
                at = field(body, at, tally)
        except Fault as fault:
            fault.inside(f".{name}")
            raise
        except IndexError:
            raise _ended(body, f".{name}") from None
        return at

    return walk


def _ended(body: bytes, step: str) -> Fault:
    fault = Fault("the bytes end inside a value", len(body))
    fault.inside(step)
    return fault


def _block(body: bytes, at: int, tally: Tally, each: int) -> tuple[int, int, int | None]:
    """Read a block's count: how many items, where they start and, if the block says so, where they end."""
    count, start = varint(body, at)
    if count >= 0:
        tally.count(count, count * each, at)
        return count, start, None
    tally.count(-count, -count * each, at)
    size, start = varint(body, start)
    if not 0 <= size <= len(body) - start:
        raise Fault(f"a block's size is {size}, but {len(body) - start} bytes follow", at)
    return -count, start, start + size


def _array(item: Walk, each: int) -> Walk:
    def walk(body: bytes, at: int, tally: Tally) -> int:
        index = 0
        try:
            while True:
                count, at, end = _block(body, at, tally, each)
                if not count:
                    return at
                for _ in range(count):
                    at = item(body, at, tally)
                    index += 1
                _check_block_end(at, end)
        except Fault as fault:
            fault.inside(f"[{index}]")
            raise
        except IndexError:
            raise _ended(body, f"[{index}]") from None

    return walk


def _map(value: Walk, each: int) -> Walk:
    def walk(body: bytes, at: int, tally: Tally) -> int:
        start = end_of_key = 0
        try:
            while True:
                count, at, end = _block(body, at, tally, each)
                start = end_of_key = at
                if not count:
                    return at
                for _ in range(count):
                    start = at
                    at = end_of_key = text(body, start, tally)
                    at = value(body, at, tally)
                _check_block_end(at, end)
        except Fault as fault:
            fault.inside(_key_step(body, start, end_of_key))
            raise
        except IndexError:
            raise _ended(body, _key_step(body, start, end_of_key)) from None

    return walk


def _key_step(body: bytes, start: int, end: int) -> str:
    if end <= start:
        return "{}"
    key_start, _ = span(body, start)
    return f'["{body[key_start:end].decode()[:_SHOWN]}"]'


def _check_block_end(at: int, end: int | None) -> None:
    # A reader that skips blocks by their size must see the same record as one that decodes them.
    if end is not None and at != end:
        raise Fault(f"a block's size says that it ends at byte {end}", at)
