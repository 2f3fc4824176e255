"""A schema that was read: its identity, its normal text and Apache Avro's own object of it."""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import avro.errors
import avro.schema
from avro.name import Names

from dev_registry.schema_text import PRIMITIVES, Resolved, Resolver, SchemaTextError, normal_text, parse_json

NO_NAMESPACE = "_no_namespace_"
"""Stands for the null namespace in Avro's objects: avro-python looks a bare name up in the enclosing one."""


@dataclass(frozen=True)
class ParsedSchema:
    """``canonical`` is equal for texts that say the same; ``avro`` carries only what compatibility needs."""

    canonical: str
    normal: str
    avro: avro.schema.Schema


@lru_cache(maxsize=128)
def parse(text: str, referenced: tuple[str, ...] = ()) -> ParsedSchema:
    """Read ``text``, which may use the names that the ``referenced`` texts define; raises SchemaTextError."""
    try:
        return _parse(text, referenced)
    except RecursionError as error:
        raise SchemaTextError("the schema is nested too deeply") from error
    except avro.errors.AvroException as error:
        raise SchemaTextError(str(error)[:1000]) from error


def _parse(text: str, referenced: tuple[str, ...]) -> ParsedSchema:
    resolver, names = Resolver(), Names()
    for other in referenced:
        _avro_object(resolver.resolve(parse_json(other)), names)
    resolved = resolver.resolve(parse_json(text))
    return ParsedSchema(
        canonical=json.dumps(resolved, sort_keys=True),
        normal=normal_text(resolved),
        avro=_avro_object(resolved, names),
    )


def _avro_object(resolved: Resolved, names: Names) -> avro.schema.Schema:
    """Build Avro's object; a bare name of a referenced schema is that schema's object."""
    shape = _shape(resolved)
    if isinstance(shape, str):
        return names.names[shape]
    return avro.schema.make_avsc_object(shape, names)


def _shape(schema: Resolved) -> Any:
    """Keep what decides how data is read: no docs, no logical types, no custom properties."""
    if isinstance(schema, list):
        return [_shape(branch) for branch in schema]
    if isinstance(schema, str):
        return {"type": schema} if schema in PRIMITIVES else _spaced(schema)
    return _shape_of_type(schema)


def _shape_of_type(schema: dict[str, Any]) -> dict[str, Any]:
    match schema["type"]:
        case "array":
            return {"type": "array", "items": _shape(schema["items"])}
        case "map":
            return {"type": "map", "values": _shape(schema["values"])}
        case "record" | "error":
            return {**_named(schema, "record"), "fields": [_field(field) for field in schema["fields"]]}
        case "enum":
            return {**_named(schema, "enum"), **_kept(schema, "symbols", "default")}
        case "fixed":
            return {**_named(schema, "fixed"), "size": schema["size"]}
        case primitive:
            return {"type": primitive}


def _field(field: dict[str, Any]) -> dict[str, Any]:
    return {**_kept(field, "name", "default", "aliases"), "type": _shape(field["type"])}


def _kept(schema: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: schema[key] for key in keys if key in schema}


def _named(schema: dict[str, Any], kind: str) -> dict[str, Any]:
    aliases = [_spaced(alias) for alias in schema.get("aliases", [])]
    return {"type": kind, "name": _spaced(schema["name"]), "aliases": aliases}


def _spaced(name: str) -> str:
    return name if "." in name else f"{NO_NAMESPACE}.{name}"
