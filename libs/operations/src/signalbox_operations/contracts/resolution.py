"""Whether a reader's schema can read a writer's, told by field path.

The verdict is Apache Avro's own (`avro.compatibility`); its locations are indices and get lost inside unions,
so the failing part is found by asking it again about smaller and smaller parts.
"""

from dataclasses import dataclass
from typing import Final

from avro.compatibility import (
    ReaderWriterCompatibilityChecker,
    SchemaCompatibilityResult,
    SchemaCompatibilityType,
    lookup_writer_field,
)
from avro.schema import ArraySchema, EnumSchema, MapSchema, RecordSchema, Schema, UnionSchema

_NAMED: Final = (RecordSchema, EnumSchema)


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The reader can't read the part ``path`` of what the writer writes."""

    path: str
    detail: str


def mismatches(reader: Schema, writer: Schema, path: str = "") -> list[Mismatch]:
    """Return where ``reader`` can't read what ``writer`` writes; empty when it can."""
    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
    verdict = checker.get_compatibility(reader, writer)
    if verdict.compatibility is not SchemaCompatibilityType.incompatible:
        return []
    return _inside(reader, writer, path) or [Mismatch(path, _detail(verdict))]


def _inside(reader: Schema, writer: Schema, path: str) -> list[Mismatch]:
    """Return the mismatches of the parts, empty when it is the whole that does not match."""
    match reader, writer:
        case RecordSchema(), RecordSchema() if _same_name(reader, writer):
            return _inside_record(reader, writer, path)
        case ArraySchema(), ArraySchema():
            return mismatches(reader.items, writer.items, f"{path}[]")
        case MapSchema(), MapSchema():
            return mismatches(reader.values, writer.values, f"{path}{{}}")
        case _, UnionSchema():
            return [found for branch in writer.schemas for found in mismatches(reader, branch, path)]
        case UnionSchema(), _:
            return _inside_union(reader, writer, path)
    return []


def _inside_record(reader: RecordSchema, writer: RecordSchema, path: str) -> list[Mismatch]:
    found: list[Mismatch] = []
    for field in reader.fields:
        inner = f"{path}.{field.name}" if path else field.name
        written = lookup_writer_field(writer, field)
        if written is not None:
            found += mismatches(field.type, written.type, inner)
        elif not field.has_default:
            found.append(Mismatch(inner, "the writer has no such field, and the reader no default for it"))
    return found


def _inside_union(reader: UnionSchema, writer: Schema, path: str) -> list[Mismatch]:
    alike = next((branch for branch in reader.schemas if _alike(branch, writer)), None)
    if alike is None:
        return [Mismatch(path, f"the reader's union has no {_name(writer)}")]
    return mismatches(alike, writer, path)


def _alike(reader: Schema, writer: Schema) -> bool:
    return bool(reader.type == writer.type) and (not isinstance(reader, _NAMED) or _same_name(reader, writer))


def _same_name(reader: Schema, writer: Schema) -> bool:
    return _name(reader) == _name(writer)


def _name(schema: Schema) -> str:
    return str(getattr(schema, "fullname", schema.type))


def _detail(verdict: SchemaCompatibilityResult) -> str:
    kinds = sorted({kind.value.replace("_", " ") for kind in verdict.incompatibilities})
    return f"{', '.join(kinds)}: {'; '.join(sorted(verdict.messages))}"
