"""Judge whether data of one schema can be read as another, whatever the data says.

Source: Apache Avro 1.12 specification, *Schema Resolution*, judged without looking at data: a writer's union
is readable only if each of its branches is. Two deviations, both stricter: a logical type that changes is a
mismatch, since the decoder converts by the writer's; and where the reader's type is a union, the branch is
the one that the decoder picks (the first whose outline matches), and no second one is tried.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from signalbox.avro import types
from signalbox.avro.schema import ParsedSchema
from signalbox.avro.types import Named, Node, RecordNode

_PROMOTIONS = {
    ("int", "long"),
    ("int", "float"),
    ("int", "double"),
    ("long", "float"),
    ("long", "double"),
    ("float", "double"),
    ("string", "bytes"),
    ("bytes", "string"),
}


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One place where the reader can't take what the writer may write; ``path`` is inside the record."""

    path: str
    detail: str


def mismatches(writer: ParsedSchema, reader: ParsedSchema) -> tuple[Mismatch, ...]:
    """List what keeps ``reader`` from reading every datum of ``writer``; empty when it reads them all."""
    return tuple(_Comparison().between(writer.root, reader.root, ""))


class _Comparison:
    def __init__(self) -> None:
        self._seen: set[tuple[int, int]] = set()

    def between(self, writer: Node, reader: Node, path: str) -> Iterator[Mismatch]:
        pair = id(writer), id(reader)
        if pair not in self._seen:
            self._seen.add(pair)
            yield from self._compare(writer, reader, path)

    def _compare(self, writer: Node, reader: Node, path: str) -> Iterator[Mismatch]:
        if isinstance(writer, types.Union):
            for branch in writer.branches:
                yield from self.between(branch, reader, path)
            return
        chosen = _branch_for(writer, reader)
        if chosen is None or not (chosen.kind == writer.kind or (writer.kind, chosen.kind) in _PROMOTIONS):
            yield Mismatch(path, f"{_described(writer)} can't be read as {_described(reader)}")
            return
        if getattr(writer, "logical", None) != getattr(chosen, "logical", None):
            yield Mismatch(path, f"the logical type of {_described(writer)} differs from the reader's")
        yield from self._inside(writer, chosen, path)

    def _inside(self, writer: Node, reader: Node, path: str) -> Iterator[Mismatch]:
        match writer, reader:
            case types.Array(), types.Array():
                yield from self.between(writer.items, reader.items, f"{path}[]")
            case types.Map(), types.Map():
                yield from self.between(writer.values, reader.values, f"{path}{{}}")
            case types.Enumeration(), types.Enumeration() if reader.default is None:
                known = frozenset(reader.symbols)
                for symbol in writer.symbols:
                    if symbol not in known:
                        yield Mismatch(path, f"the symbol {symbol} is unknown and there is no default")
            case RecordNode(), RecordNode():
                yield from self._fields(writer, reader, path)

    def _fields(self, writer: RecordNode, reader: RecordNode, path: str) -> Iterator[Mismatch]:
        written = {field.name: field for field in writer.fields}
        for field in reader.fields:
            inside = f"{path}.{field.name}" if path else field.name
            match [written[name] for name in {field.name, *field.aliases} if name in written]:
                case [source]:
                    yield from self.between(source.type, field.type, inside)
                case [] if not field.has_default:
                    yield Mismatch(inside, "the writer has no such field and it has no default")
                case [_, _, *_]:
                    yield Mismatch(inside, "two fields of the writer have its name or alias")


def _branch_for(writer: Node, reader: Node) -> Node | None:
    branches = reader.branches if isinstance(reader, types.Union) else (reader,)
    return next((branch for branch in branches if _outline_matches(writer, branch)), None)


def _outline_matches(writer: Node, reader: Node) -> bool:  # noqa: PLR0911  (one a pair)
    match writer, reader:
        case (types.Union(), _) | (_, types.Union()):
            return True
        case types.Array(), types.Array():
            return _outline_matches(writer.items, reader.items)
        case types.Map(), types.Map():
            return _outline_matches(writer.values, reader.values)
        case types.Fixed(), types.Fixed() if writer.size != reader.size:
            return False
        case (
            (types.Fixed() | types.Enumeration() | RecordNode()) as named,
            (types.Fixed() | types.Enumeration() | RecordNode()) as known,
        ):
            return _names_match(named, known)
        case types.Primitive(), types.Primitive():
            return writer.kind == reader.kind or (writer.kind, reader.kind) in _PROMOTIONS
        case _:
            return False


def _names_match(writer: Named, reader: Named) -> bool:
    unqualified = writer.name.rpartition(".")[2]
    return unqualified == reader.name.rpartition(".")[2] or not {writer.name, unqualified}.isdisjoint(
        reader.aliases
    )


def _described(node: Node) -> str:
    match node:
        case types.Union():
            return f"one of {', '.join(_described(branch) for branch in node.branches)}"
        case types.Fixed() | types.Enumeration() | RecordNode():
            return f"{node.kind} {node.name}"
        case _:
            return node.kind
