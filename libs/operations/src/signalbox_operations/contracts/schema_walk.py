"""Walks of Avro schemas that keep the place: the JSON path of each type and field."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from signalbox_operations.contracts.located_json import Path
from signalbox_operations.contracts.sources import NAMED, full_name


@dataclass(frozen=True, slots=True)
class TypeAt:
    """A type as it is written: a name, a union (list) or a definition (dict)."""

    path: Path
    schema: Any
    namespace: str

    @property
    def kind(self) -> str:
        """``union``, the type's kind, or the name that stands for a type."""
        if isinstance(self.schema, list):
            return "union"
        if isinstance(self.schema, Mapping):
            kind = self.schema.get("type")
            return kind if isinstance(kind, str) else ""
        return str(self.schema)

    @property
    def defines(self) -> str | None:
        """The full name that this type defines, None when it defines none."""
        return full_name(self.schema, self.namespace) if self.kind in NAMED and self._written_out else None

    @property
    def _written_out(self) -> bool:
        return isinstance(self.schema, Mapping)


@dataclass(frozen=True, slots=True)
class FieldAt:
    """A field of a record."""

    path: Path
    field: Mapping[str, Any]
    record: str

    @property
    def name(self) -> str:
        """The field's name as it is written."""
        return str(self.field.get("name", ""))


def types(schema: Any, path: Path = (), namespace: str = "") -> Iterator[TypeAt]:
    """Give ``schema`` and every type inside it, outer ones first. Names are not followed."""
    here = TypeAt(path, schema, namespace)
    yield here
    if isinstance(schema, list):
        for index, branch in enumerate(schema):
            yield from types(branch, (*path, index), namespace)
    elif isinstance(schema, Mapping):
        yield from _types_inside(here)


def _types_inside(here: TypeAt) -> Iterator[TypeAt]:
    inner = (here.defines or here.namespace + ".").rpartition(".")[0]
    for field in _fields_of(here):
        yield from types(field.field.get("type"), (*field.path, "type"), inner)
    for key in ("items", "values", "type"):
        if key in here.schema and not (key == "type" and isinstance(here.schema[key], str)):
            yield from types(here.schema[key], (*here.path, key), here.namespace)


def fields(schema: Any) -> Iterator[FieldAt]:
    """Give every field of every record that is written out in ``schema``."""
    for here in types(schema):
        yield from _fields_of(here)


def _fields_of(here: TypeAt) -> Iterator[FieldAt]:
    listed = here.schema.get("fields") if isinstance(here.schema, Mapping) else None
    for index, field in enumerate(listed if isinstance(listed, list) else ()):
        if isinstance(field, Mapping):
            yield FieldAt((*here.path, "fields", index), field, here.defines or "")


def branches(schema: Any) -> list[Any]:
    """Return a union's branches without null; a list of one for any other type."""
    if isinstance(schema, list):
        return [branch for branch in schema if branch != "null"]
    return [schema]


def kind_of(schema: Any) -> str:
    """Return ``union``, the type's kind, or the name that stands for a type."""
    return TypeAt((), schema, "").kind


def type_in_words(schema: Any) -> str:
    """Name a type as people do: ``optional string``, ``array of sdr.Email``, ``timestamp-millis``."""
    if isinstance(schema, list):
        inner = " or ".join(type_in_words(branch) for branch in branches(schema))
        return f"optional {inner}" if "null" in schema else inner
    if not isinstance(schema, Mapping):
        return str(schema)
    kind = kind_of(schema)
    if kind in {"array", "map"}:
        return f"{kind} of {type_in_words(schema.get('items', schema.get('values')))}"
    if kind in NAMED:
        return f"{kind} {full_name(schema)}"
    return str(schema.get("logicalType", kind))
