"""A schema as fastavro takes it, made from checked nodes and from nothing else that the text may say.

Each use of a named type is that type's one object, not its name: how fastavro looks names up, per writer and
reader, plays no part. ``__fastavro_parsed`` tells it that there is nothing left to parse.
"""

from collections.abc import Mapping
from functools import lru_cache
from io import BytesIO
from typing import Any, Final, cast

import fastavro

from signalbox.avro import types
from signalbox.avro.schema import ParsedSchema, unsafe
from signalbox.avro.types import Field, Logical, Node

Form = dict[str, Any]


@lru_cache(maxsize=4096)
def writer_form(schema: ParsedSchema) -> Form:
    """Make the form that bytes of this schema are decoded by; a writer's defaults are no one's business."""
    return _marked(_Former(defaults=False).of(schema.root))


@lru_cache(maxsize=4096)
def reader_form(schema: ParsedSchema) -> Form:
    """Make the form of a schema that is read or encoded with, its defaults as a decoder would give them.

    Raises:
        Refusal: ``UNSAFE_SCHEMA``, when a default does not fit its field.
    """
    return _marked(_Former(defaults=True).of(schema.root))


@lru_cache(maxsize=4096)
def outline(node: Node) -> Any:
    """Make the form of one type inside a schema, for validation."""
    formed = _Former(defaults=False).of(node)
    return _marked(formed) if isinstance(node, types.RecordNode) else formed


def _marked(formed: Any) -> Form:
    if not (isinstance(formed, dict) and formed["type"] == "record"):
        raise unsafe("only a record can be decoded or encoded")
    return {**formed, "__fastavro_parsed": True, "__named_schemas": {}}


class _Former:
    def __init__(self, *, defaults: bool, logical: bool = True) -> None:
        self._defaults = defaults
        self._logical = logical
        self._forms: dict[int, Any] = {}

    def of(self, node: Node) -> Any:
        if id(node) not in self._forms:
            self._forms[id(node)] = self._make(node)
        return self._forms[id(node)]

    def _make(self, node: Node) -> Any:  # noqa: PLR0911  (one a type)
        match node:
            case types.RecordNode():
                fields = [self._field(field) for field in node.fields]
                return {"type": "record", "name": node.name, "aliases": [*node.aliases], "fields": fields}
            case types.Enumeration():
                optional = {} if node.default is None else {"default": node.default}
                return {**_named(node), "symbols": [*node.symbols], **optional}
            case types.Fixed():
                return {**_named(node), "size": node.size, **self._logical_type(node.logical)}
            case types.Union():
                return [self.of(branch) for branch in node.branches]
            case types.Array():
                return {"type": "array", "items": self.of(node.items)}
            case types.Map():
                return {"type": "map", "values": self.of(node.values)}
            case types.Primitive():
                logical = self._logical_type(node.logical)
                return {"type": node.kind, **logical} if logical else node.kind

    def _field(self, field: Field) -> Form:
        formed = {"name": field.name, "type": self.of(field.type), "aliases": [*field.aliases]}
        return {**formed, "default": _native(field)} if field.has_default and self._defaults else formed

    def _logical_type(self, logical: Logical | None) -> Form:
        match logical:
            case Logical(name="decimal", precision=precision, scale=scale) if self._logical:
                return {"logicalType": "decimal", "precision": precision, "scale": scale}
            case Logical(name=name) if self._logical:
                return {"logicalType": name}
            case _:
                return {}


def _named(node: types.Named) -> Form:
    return {"type": node.kind, "name": node.name, "aliases": [*node.aliases]}


def _native(field: Field) -> Any:
    """Turn a default of the schema text into what a decoder gives: fastavro hands out the JSON as it is."""
    if field.default is None and _accepts_null(field.type):
        return None
    try:
        raw = _raw(field.type, field.default)
        sink = BytesIO()
        fastavro.schemaless_writer(sink, _wrapped(field.type, logical=False), {"it": raw})
        sink.seek(0)
        return cast(Form, fastavro.schemaless_reader(sink, _wrapped(field.type, logical=True), None))["it"]
    except (ValueError, TypeError, OverflowError) as error:
        raise unsafe(f"the default does not fit the field: {error}", field.name) from error


def _accepts_null(node: Node) -> bool:
    return node.kind == "null" or (
        isinstance(node, types.Union) and any(branch.kind == "null" for branch in node.branches)
    )


def _wrapped(node: Node, *, logical: bool) -> Form:
    inner = _Former(defaults=False, logical=logical).of(node)
    return _marked({"type": "record", "name": "Default", "fields": [{"name": "it", "type": inner}]})


def _raw(node: Node, default: Any) -> Any:  # noqa: PLR0911  (one a type)
    """Read a JSON default as plain Avro values. Raises ValueError when it is not of the type."""
    match node, default:
        case types.Union(), _:
            return _first_that_fits(node, default)
        case types.RecordNode(), Mapping():
            return {field.name: _raw_field(field, default) for field in node.fields}
        case types.Array(), list():
            return [_raw(node.items, item) for item in default]
        case types.Map(), Mapping():
            return {key: _raw(node.values, value) for key, value in default.items()}
        case types.Enumeration(), str() if default in node.symbols:
            return default
        case types.Fixed(size=size), str() if len(default) == size:
            return default.encode("latin-1")
        case types.Primitive(kind=kind), _ if type(default) in _JSON_OF[kind]:
            return default.encode("latin-1") if kind == "bytes" else default
        case _:
            raise ValueError(f"{default!r:.100} is no {node.kind}")


def _raw_field(field: Field, given: Mapping[str, Any]) -> Any:
    if field.name not in given and not field.has_default:
        raise ValueError(f"{field.name} has no value")
    return _raw(field.type, given.get(field.name, field.default))


def _first_that_fits(node: types.Union, default: Any) -> Any:
    for branch in node.branches:
        try:
            return _raw(branch, default)
        except ValueError:
            continue
    raise ValueError(f"{default!r:.100} is of no branch")


_JSON_OF: Final[dict[str, tuple[type, ...]]] = {
    "null": (type(None),),
    "boolean": (bool,),
    "int": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "bytes": (str,),
    "string": (str,),
}
