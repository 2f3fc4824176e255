"""Where in the sources a field of a contract is written, which may be another file than the record's own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from signalbox.protocol.names import RecordType
from signalbox_operations.contracts.located_json import Path as JsonPath
from signalbox_operations.contracts.located_json import Position
from signalbox_operations.contracts.sources import Source, Sources

_Place = tuple[Source, JsonPath]


def place_of(sources: Sources, record_type: RecordType, field_path: str) -> tuple[Path, Position]:
    """Return the file and the position of ``field_path``, such as ``lead.email`` or ``emails[].to``.

    For a field that is not there (any more), it is the nearest place around it that is there.
    """
    source = sources[record_type]
    path: JsonPath = ()
    reached: _Place = (source, ("name",))
    schema: Any = source.definition
    for name in _names(field_path):
        found = next(_fields(sources, source, schema, path, name), None)
        if found is None:
            break
        (source, path), schema = found
        reached = (source, path)
        path = (*path, "type")
    return reached[0].path, reached[0].document.position(reached[1])


def _names(field_path: str) -> list[str]:
    return [name for part in field_path.split(".") if (name := part.rstrip("[]{}"))]


def _fields(
    sources: Sources, source: Source, schema: Any, path: JsonPath, name: str
) -> Iterator[tuple[_Place, Any]]:
    """Yield where a record in ``schema`` has the field ``name``, and the field's type."""
    match schema:
        case str() if RecordType(schema) in sources and sources[RecordType(schema)] is not source:
            other = sources[RecordType(schema)]
            yield from _fields(sources, other, other.definition, (), name)
        case list():
            for number, branch in enumerate(schema):
                yield from _fields(sources, source, branch, (*path, number), name)
        case {"fields": list(fields)}:
            for number, field in enumerate(fields):
                if field.get("name") == name:
                    yield (source, (*path, "fields", number)), field.get("type")
        case dict():
            for inner in ("items", "values", "type"):
                if inner in schema:
                    yield from _fields(sources, source, schema[inner], (*path, inner), name)
