"""Parse a schema text that may be hostile, and judge once whether a decoder can be driven by it safely.

Source: Apache Avro 1.12 specification, *Schema Declaration* and *Names*. Logical types that can't stand on
their type are ignored, as the specification asks.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeGuard

from signalbox.avro import types
from signalbox.avro.limits import Limits
from signalbox.avro.types import Field, Logical, Named, Node, RecordNode
from signalbox.protocol.errors import Refusal
from signalbox.protocol.reasons import Reason

PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
_COMPLEX: Final = frozenset({"record", "enum", "fixed", "array", "map"})
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FULL_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
# An unterminated literal runs to the end of the text: tried again from each of its quotes, it would take
# quadratic time.
_LITERAL_OR_BRACKET: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)

_MAX_TEXT: Final = 128 * 1024
_MAX_TEXT_NESTING: Final = 200
_MAX_DECLARATIONS: Final = 2_500
_MAX_PRECISION: Final = 1_000
_LOGICAL_ON: Final = {
    "timestamp-millis": "long",
    "timestamp-micros": "long",
    "local-timestamp-millis": "long",
    "local-timestamp-micros": "long",
    "time-micros": "long",
    "time-millis": "int",
    "date": "int",
    "uuid": "string",
}


@dataclass(frozen=True, slots=True, eq=False)
class ParsedSchema:
    """A schema that is safe to decode with. ``name`` is the record's full name; empty if it is no record."""

    text: str
    root: Node

    @property
    def name(self) -> str:
        return self.root.name if isinstance(self.root, RecordNode) else ""


@lru_cache(maxsize=512)
def parse(text: str, limits: Limits = Limits()) -> ParsedSchema:  # noqa: B008  (a frozen value)
    """Parse ``text`` in bounded time, whatever it says. The same text gives the same object.

    Raises:
        Refusal: ``UNSAFE_SCHEMA``, when it is recursive, has arrays or maps of zero-width items, nests deeper
            than ``limits.max_depth``, is huge, or is no Avro schema; ``field`` is the place inside it.
    """
    return ParsedSchema(text, _Parser(limits).node(_json(text), "", ""))


def is_converted(source: Mapping[str, Any]) -> bool:
    """Tell whether decoding makes an object of the logical type that ``source``, a type as written, has."""
    kind, size = source.get("type"), source.get("size")
    if kind == "fixed":
        return _is_count(size) and _decimal(source, size) is not None
    return isinstance(kind, str) and kind in PRIMITIVES and _logical(source, kind) is not None


def unsafe(detail: str, place: str = "") -> Refusal:
    return Refusal(Reason.UNSAFE_SCHEMA, detail, place)


def _json(text: str) -> Any:
    if len(text) > _MAX_TEXT:
        raise unsafe(f"the schema text has more than {_MAX_TEXT} characters")
    depth = 0
    for match in _LITERAL_OR_BRACKET.finditer(text):
        token = match[0]
        depth += (token in "[{") - (token in "]}")
        if depth > _MAX_TEXT_NESTING:
            raise unsafe(f"the schema text nests deeper than {_MAX_TEXT_NESTING} brackets")
    try:
        # A bare primitive's name is a schema too; registries hand it out with or without its quotes.
        return text if text in PRIMITIVES else json.loads(text)
    except ValueError as error:
        raise unsafe(f"the schema text is not JSON: {error}") from error


class _Parser:
    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._declared = 0
        self._named: dict[str, Named | None] = {}  # None: its declaration is not finished

    def node(self, source: Any, namespace: str, place: str) -> Node:
        self._count(1, place)
        match source:
            case str():
                return self._by_name(source, namespace, place)
            case list():
                return self._union(source, namespace, place)
            case {"type": str(kind)} if kind in _COMPLEX:
                return self._complex(kind, source, namespace, place)
            case {"type": str(kind)} if kind in PRIMITIVES:
                return types.Primitive(kind, _logical(source, kind))
            case {"type": inner}:
                return self.node(inner, namespace, place)
            case _:
                raise _invalid("a schema is a name, a list or an object with a type", place)

    def _count(self, declarations: int, place: str) -> None:
        self._declared += declarations
        if self._declared > _MAX_DECLARATIONS:
            raise unsafe(f"the schema declares more than {_MAX_DECLARATIONS} types and symbols", place)

    def _by_name(self, name: str, namespace: str, place: str) -> Node:
        if name in PRIMITIVES:
            return types.Primitive(name)
        candidates = [name] if "." in name or not namespace else [f"{namespace}.{name}", name]
        for full_name in candidates:
            if full_name in self._named:
                known = self._named[full_name]
                if known is None:
                    raise unsafe(f"the schema is recursive: {full_name} contains itself", place)
                return known
        raise _invalid(f"the type {name!r:.100} is not declared before it is used", place)

    def _complex(self, kind: str, source: Mapping[str, Any], namespace: str, place: str) -> Node:
        match kind:
            case "array":
                items = self._inside(source, "items", namespace, f"{place}[]")
                return types.Array(items, self._height(items, place))
            case "map":
                values = self._inside(source, "values", namespace, f"{place}{{}}")
                return types.Map(values, self._height(values, place))
            case "record":
                return self._record(source, namespace, place)
            case "enum":
                return self._enumeration(source, namespace, place)
            case _:
                return self._fixed(source, namespace, place)

    def _inside(self, source: Mapping[str, Any], key: str, namespace: str, place: str) -> Node:
        if key not in source:
            raise _invalid(f"{key} is missing", place)
        inner = self.node(source[key], namespace, place)
        if inner.zero_width:
            raise unsafe("its items take no bytes, so a few bytes could stand for any number of them", place)
        return inner

    def _height(self, inner: Node, place: str) -> int:
        height = inner.height + 1
        if height > self._limits.max_depth:
            raise unsafe(f"the schema nests deeper than {self._limits.max_depth}", place)
        return height

    def _union(self, source: list[Any], namespace: str, place: str) -> Node:
        branches = tuple(self.node(branch, namespace, place) for branch in source)
        if any(isinstance(branch, types.Union) for branch in branches):
            raise _invalid("a union holds a union", place)
        keys = [getattr(branch, "name", branch.kind) for branch in branches]
        if not keys or len(set(keys)) < len(keys):
            raise _invalid("a union is empty or holds the same type twice", place)
        height = max(branch.height for branch in branches)
        return types.Union(branches, height, min(branch.parts for branch in branches))

    def _declare(self, source: Mapping[str, Any], namespace: str, place: str) -> str:
        name, own = source.get("name"), source.get("namespace")
        own = namespace if own is None else own  # null counts as absent, as Avro's Java parser has it
        if not (isinstance(name, str) and isinstance(own, str)):
            raise _invalid("a named type has no name", place)
        full_name = name if "." in name or not own else f"{own}.{name}"
        if not _FULL_NAME.fullmatch(full_name) or full_name in PRIMITIVES:
            raise _invalid(f"{full_name!r:.100} can't be a name", place)
        if full_name in self._named:
            raise _invalid(f"{full_name} is declared twice", place)
        self._named[full_name] = None
        return full_name

    def _record(self, source: Mapping[str, Any], namespace: str, place: str) -> Node:
        name = self._declare(source, namespace, place)
        inner_namespace = name.rpartition(".")[0]
        declared = source.get("fields")
        if not isinstance(declared, list):
            raise _invalid("a record has no list of fields", place)
        fields = tuple(self._field(field, inner_namespace, place) for field in declared)
        names = [field.name for field in fields]
        if len(set(names)) < len(names):
            raise _invalid("a record has two fields of one name", place)
        parts = sum(types.weight(field.type) + field.type.parts for field in fields)
        if parts > self._limits.max_values:
            raise unsafe(f"each record of it has more than {self._limits.max_values} values", place)
        tallest = max((field.type for field in fields), key=lambda node: node.height, default=_NULL)
        record = RecordNode(
            name,
            fields,
            self._height(tallest, place),
            parts,
            all(field.type.zero_width for field in fields),
            _aliases(source, inner_namespace, place),
            {key: value for key, value in source.items() if key not in _RECORD_KEYS},
        )
        self._named[name] = record
        return record

    def _field(self, source: Any, namespace: str, place: str) -> Field:
        match source:
            case {"name": str(name), "type": kind} if _NAME.fullmatch(name):
                inside = f"{place}.{name}" if place else name
                props = {key: value for key, value in source.items() if key not in _FIELD_KEYS}
                node = self.node(kind, namespace, inside)
                aliases = _aliases(source, "", inside)
                return Field(name, node, aliases, "default" in source, source.get("default"), props)
            case _:
                raise _invalid("a field is an object with a name and a type", place)

    def _enumeration(self, source: Mapping[str, Any], namespace: str, place: str) -> Node:
        name = self._declare(source, namespace, place)
        symbols, default = source.get("symbols"), source.get("default")
        if not (isinstance(symbols, list) and symbols):
            raise _invalid("an enum has no list of symbols", place)
        self._count(len(symbols), place)
        if not all(isinstance(symbol, str) and _NAME.fullmatch(symbol) for symbol in symbols):
            raise _invalid("an enum has a symbol that is not a name", place)
        if len(set(symbols)) < len(symbols) or (default is not None and default not in symbols):
            raise _invalid("an enum has a symbol twice, or a default that is none of them", place)
        aliases = _aliases(source, name.rpartition(".")[0], place)
        enumeration = types.Enumeration(name, tuple(symbols), default, aliases)
        self._named[name] = enumeration
        return enumeration

    def _fixed(self, source: Mapping[str, Any], namespace: str, place: str) -> Node:
        name, size = self._declare(source, namespace, place), source.get("size")
        if not _is_count(size):
            raise _invalid("a fixed type has no size", place)
        aliases = _aliases(source, name.rpartition(".")[0], place)
        fixed = types.Fixed(name, size, aliases, _decimal(source, size))
        self._named[name] = fixed
        return fixed


def _invalid(detail: str, place: str) -> Refusal:
    return unsafe(f"the schema is not valid Avro: {detail}", place)


def _is_count(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _aliases(source: Mapping[str, Any], namespace: str, place: str) -> tuple[str, ...]:
    aliases: Sequence[Any] = source.get("aliases", ())
    if not (isinstance(aliases, list | tuple) and all(isinstance(alias, str) for alias in aliases)):
        raise _invalid("aliases are a list of names", place)
    return tuple(alias if "." in alias or not namespace else f"{namespace}.{alias}" for alias in aliases)


def _logical(source: Mapping[str, Any], kind: str) -> Logical | None:
    name = source.get("logicalType")
    if kind == "bytes":
        return _decimal(source, None)
    return Logical(name) if isinstance(name, str) and _LOGICAL_ON.get(name) == kind else None


def _decimal(source: Mapping[str, Any], size: int | None) -> Logical | None:
    precision, scale = source.get("precision"), source.get("scale", 0)
    if source.get("logicalType") != "decimal" or not (_is_count(precision) and _is_count(scale)):
        return None
    if not max(scale, 1) <= precision <= _MAX_PRECISION:
        return None
    if size is not None and 10**precision > 1 << (8 * min(size, _MAX_PRECISION)) >> 1:
        return None
    return Logical("decimal", precision, scale)


_NULL: Final = types.Primitive("null")
_RECORD_KEYS: Final = frozenset({"type", "name", "namespace", "fields", "aliases"})
_FIELD_KEYS: Final = frozenset({"name", "type", "aliases", "default"})
