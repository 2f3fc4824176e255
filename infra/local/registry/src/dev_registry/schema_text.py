"""Reads the text of an Avro schema: from hostile JSON to a resolved form with full names.

The resolved form has every name and alias in full, no attribute that says the default, and the attributes in
one order. The text that is given back to clients is never made of it, except where a client asked for
normalisation: custom properties survive exactly as they were sent.

Source of the rules: Apache Avro 1.12 specification, "Schema Declaration", "Names" and "Aliases".
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from dev_registry.defaults import is_valid_default

Json = Any
Resolved = Any
"""A primitive's or defined type's name, a list (union) or a dict with the attributes in their order."""

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
NAMED = frozenset({"record", "error", "enum", "fixed"})
MAX_DEPTH = 200
"""Nesting of JSON that is accepted; the deepest sensible contracts have about 40."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
MAX_FIELDS = 5_000
"""Fields of one record; avro-python's parser needs a time that grows with their square."""

_SHOWN = 120
_ORDERS = ("ascending", "descending", "ignore")


class SchemaTextError(Exception):
    """The text is not an Avro schema; the message says where and why."""


def parse_json(text: str) -> Json:
    """Return the JSON value of ``text``; refuse what is too deep, not finite, or not text in UTF-8."""
    try:
        text.encode()
        value = json.loads(text, parse_constant=_refuse_constant)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError as error:
        raise SchemaTextError("the schema is nested too deeply") from error
    except ValueError as error:
        raise SchemaTextError(f"the schema is not JSON: {error}") from error
    _refuse_deep(value)
    return value


def normal_text(resolved: Resolved) -> str:
    """Return the compact text of a resolved schema, as ``normalize=true`` stores it."""
    return json.dumps(resolved, ensure_ascii=False, separators=(",", ":"))


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _refuse_deep(value: Json) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        if not level:
            return
        level = [child for item in level for child in _children(item)]
    raise SchemaTextError(f"the schema is nested more than {MAX_DEPTH} deep")


def _children(value: Json) -> list[Json]:
    if isinstance(value, dict):
        return [child for child in value.values() if isinstance(child, dict | list)]
    return [child for child in value if isinstance(child, dict | list)] if isinstance(value, list) else []


class Resolver:
    """Resolves schemas one after the other; a later one may use the names that an earlier one defined."""

    def __init__(self) -> None:
        self._defined: dict[str, dict[str, Any]] = {}
        self._kinds: dict[str, Callable[[dict[str, Any], str], Resolved]] = {
            "record": self._record,
            "error": self._record,
            "enum": self._enum,
            "fixed": self._fixed,
            "array": self._array,
            "map": self._map,
        }

    def resolve(self, node: Json, space: str = "") -> Resolved:
        """Return the resolved form of ``node`` in the namespace ``space``; raises SchemaTextError."""
        if isinstance(node, str):
            return self._name_in_use(node, space)
        if isinstance(node, list):
            return self._union(node, space)
        if isinstance(node, dict):
            return self._typed(node, space)
        raise SchemaTextError(f"a schema is a name, an object or an array, not {_brief(node)}")

    def _name_in_use(self, name: str, space: str) -> str:
        if name in PRIMITIVES:
            return name
        for full in (_full_name(name, space), name):
            if full in self._defined:
                return full
        raise SchemaTextError(f"{_brief(name)} is not a defined name")

    def _typed(self, node: dict[str, Any], space: str) -> Resolved:
        kind = node.get("type")
        if not isinstance(kind, str):
            raise SchemaTextError(f"No type: {_brief(node)}")
        if kind in self._kinds:
            return self._kinds[kind](node, space)
        if kind in PRIMITIVES:
            properties = _properties(node, {"type"})
            return {"type": kind, **properties} if properties else kind
        return self._name_in_use(kind, space)

    def _union(self, branches: list[Json], space: str) -> list[Resolved]:
        resolved = [self.resolve(branch, space) for branch in branches]
        kinds = [_branch_kind(branch) for branch in resolved]
        if "union" in kinds:
            raise SchemaTextError("Nested union: a union may not hold another union directly")
        doubled = sorted(kind for kind, count in Counter(kinds).items() if count > 1)
        if doubled:
            raise SchemaTextError(f"Duplicate in union: {', '.join(doubled)}")
        return resolved

    def _array(self, node: dict[str, Any], space: str) -> Resolved:
        items = self.resolve(_required(node, "items"), space)
        return {"type": "array", "items": items, **_properties(node, {"type", "items"})}

    def _map(self, node: dict[str, Any], space: str) -> Resolved:
        values = self.resolve(_required(node, "values"), space)
        return {"type": "map", "values": values, **_properties(node, {"type", "values"})}

    def _define(self, node: dict[str, Any], space: str) -> tuple[dict[str, Any], str]:
        """Take up a named type; returns its resolved form so far, and the namespace of what is inside it."""
        name = _declared_name(node, space)
        if name in self._defined:
            raise SchemaTextError(f"Can't redefine: {name}")
        inner = name.rpartition(".")[0]
        self._defined[name] = {"name": name, "type": node["type"]}
        return self._defined[name], inner

    def _enum(self, node: dict[str, Any], space: str) -> Resolved:
        resolved, inner = self._define(node, space)
        symbols = _required(node, "symbols")
        if not isinstance(symbols, list) or not all(isinstance(symbol, str) for symbol in symbols):
            raise SchemaTextError(f"Enum has no symbols: {resolved['name']}")
        for symbol in symbols:
            _refuse_bad_name(symbol)
        if len(set(symbols)) < len(symbols):
            raise SchemaTextError(f"Duplicate enum symbol in {resolved['name']}")
        if "default" in node and node["default"] not in symbols:
            raise SchemaTextError(
                f"The Enum Default: {_brief(node['default'])} is not in the enum symbol set"
            )
        resolved["symbols"] = symbols
        return _finish(resolved, node, inner)

    def _fixed(self, node: dict[str, Any], space: str) -> Resolved:
        resolved, inner = self._define(node, space)
        size = _required(node, "size")
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size < 2**31:
            raise SchemaTextError(f"Invalid or no size: {_brief(size)}")
        resolved["size"] = size
        return _finish(resolved, node, inner)

    def _record(self, node: dict[str, Any], space: str) -> Resolved:
        resolved, inner = self._define(node, space)
        fields = _required(node, "fields")
        if not isinstance(fields, list):
            raise SchemaTextError(f"Record has no fields: {resolved['name']}")
        if len(fields) > MAX_FIELDS:
            raise SchemaTextError(f"Record has more than {MAX_FIELDS} fields: {resolved['name']}")
        resolved["fields"] = []
        taken: set[str] = set()
        for field in fields:
            resolved["fields"].append(self._field(field, inner, taken))
        return _finish(resolved, node, inner)

    def _field(self, node: Json, space: str, taken: set[str]) -> dict[str, Any]:
        name = node.get("name") if isinstance(node, dict) else None
        if not isinstance(name, str):
            raise SchemaTextError(f"No field name: {_brief(node)}")
        _refuse_bad_name(name)
        if name in taken:
            raise SchemaTextError(f"Duplicate field {name} in record")
        taken.add(name)
        resolved: dict[str, Any] = {"name": name, "type": self.resolve(_required(node, "type"), space)}
        if node.get("order", "ascending") not in _ORDERS:
            raise SchemaTextError(f"The order {_brief(node['order'])} of field {name} is not valid")
        if node.get("order", "ascending") != "ascending":
            resolved["order"] = node["order"]
        if "default" in node and not is_valid_default(resolved["type"], node["default"], self._defined):
            raise SchemaTextError(
                f"Invalid default for field {name}: {_brief(node['default'])} not a {_brief(node['type'])}"
            )
        known = {"name", "type", "order", "doc", "aliases", "default"}
        return {
            **resolved,
            **_documentation(node, None),
            **_kept(node, "default"),
            **_properties(node, known),
        }


def _finish(resolved: dict[str, Any], node: dict[str, Any], inner: str) -> dict[str, Any]:
    known = {"type", "name", "namespace", "fields", "symbols", "size", "doc", "aliases", "default"}
    resolved.update(_documentation(node, inner))
    resolved.update(_kept(node, "default"))
    resolved.update(_properties(node, known))
    return resolved


def _documentation(node: dict[str, Any], space: str | None) -> dict[str, Any]:
    """Return ``doc`` and ``aliases``; aliases of types are made full names in ``space``, fields have none."""
    aliases = node.get("aliases", [])
    if not isinstance(aliases, list) or not all(isinstance(alias, str) and alias for alias in aliases):
        raise SchemaTextError(f"aliases not an array of strings: {_brief(aliases)}")
    full = {alias if space is None else _full_name(alias, space) for alias in aliases}
    return {**_kept(node, "doc"), **({"aliases": sorted(full)} if full else {})}


def _declared_name(node: dict[str, Any], space: str) -> str:
    name = node.get("name")
    if not isinstance(name, str) or not name:
        raise SchemaTextError(f"No name in schema: {_brief(node)}")
    given = node.get("namespace")
    given = space if given is None else given  # null counts as absent, as Avro's Java parser has it
    if not isinstance(given, str):
        raise SchemaTextError(f"The namespace of {_brief(name)} is not a string")
    full = _full_name(name, given)
    for part in full.split("."):
        _refuse_bad_name(part)
    if full in PRIMITIVES:
        raise SchemaTextError(f"Schemas may not be named after primitives: {full}")
    return full


def _full_name(name: str, space: str) -> str:
    return name if "." in name or not space else f"{space}.{name}"


def _refuse_bad_name(name: str) -> None:
    if not _NAME.match(name):
        raise SchemaTextError(f"Illegal initial character or character in name: {_brief(name)}")


def _required(node: Mapping[str, Any], key: str) -> Json:
    if key not in node:
        raise SchemaTextError(f"No {key}: {_brief(node)}")
    return node[key]


def _kept(node: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {key: node[key]} if key in node else {}


def _properties(node: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    return {key: node[key] for key in sorted(node) if key not in known}


def _branch_kind(branch: Resolved) -> str:
    if isinstance(branch, list):
        return "union"
    if isinstance(branch, str):
        return branch
    return str(branch["name"] if branch["type"] in NAMED else branch["type"])


def _brief(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
