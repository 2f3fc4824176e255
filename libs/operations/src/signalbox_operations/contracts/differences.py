"""What differs between two versions of a contract, told by field path.

Avro's own checker says whether readers can read; this says what changed, also where registries see nothing:
logical types, an enum's default, data rules, tags and docs.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from signalbox_operations.contracts.schema_walk import branches, kind_of, type_in_words, types
from signalbox_operations.contracts.sources import NAMED, PRIMITIVES, full_name

_RULES: Final = "confluent:rules"
_TAGS: Final = "confluent:tags"
_LOGICAL: Final = ("logicalType", "precision", "scale")


class Change(StrEnum):
    """Kinds of change that Avro's schema resolution does not look at."""

    LOGICAL_TYPE = "logical_type"
    ENUM_DEFAULT = "enum_default"
    ENUM_DEFAULT_ADDED = "enum_default_added"
    RULE_DROPPED = "rule_dropped"
    RULE_CHANGED = "rule_changed"
    RULE_ADDED = "rule_added"
    PII_UNTAGGED = "pii_untagged"
    DEFAULT = "default"
    FIELD_ADDED = "field_added"
    FIELD_REMOVED = "field_removed"
    FIELD_ORDER = "field_order"
    TYPE = "type"
    ALIAS = "alias"
    DOC = "doc"


@dataclass(frozen=True, slots=True)
class Difference:
    """One change; ``path`` is like ``lead.email`` or ``emails[].to``, empty for the record itself."""

    change: Change
    path: str
    detail: str


def differences(old: Any, new: Any) -> list[Difference]:
    """Return what changed from ``old`` to ``new``, two self-contained schemas."""
    return list(_Comparison(_named(old), _named(new)).of(old, new, ""))


class _Comparison:
    def __init__(self, old_names: Mapping[str, Any], new_names: Mapping[str, Any]) -> None:
        self._old = old_names
        self._new = new_names
        self._seen: set[tuple[str, str]] = set()

    def of(self, old: Any, new: Any, path: str) -> Iterator[Difference]:
        old, new = self._old.get(_text(old), old), self._new.get(_text(new), new)
        if kind_of(old) != kind_of(new):
            yield Difference(Change.TYPE, path, f"type {_shown(old)} became {_shown(new)}")
            yield from _logical(old, new, path)
            return
        match kind_of(new):
            case "record":
                yield from self._records(old, new, path)
            case "enum":
                yield from _enums(old, new, path)
            case "array":
                yield from self.of(old["items"], new["items"], f"{path}[]")
            case "map":
                yield from self.of(old["values"], new["values"], f"{path}{{}}")
            case "union":
                yield from self._unions(old, new, path)
            case _:
                yield from _logical(old, new, path)

    def _records(self, old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[Difference]:
        if (pair := (full_name(new), path.rpartition(".")[2])) in self._seen:
            return  # a recursive record
        self._seen.add(pair)
        yield from _properties(old, new, path)
        if full_name(old) != full_name(new):
            yield Difference(Change.TYPE, path, f"record {full_name(old)} became {full_name(new)}")
        before, after = _fields(old), _fields(new)
        for name in [name for name in before if name not in after]:
            detail = f"field removed: {type_in_words(before[name]['type'])}"
            yield Difference(Change.FIELD_REMOVED, _inside(path, name), detail)
        for name in [name for name in after if name not in before]:
            detail = f"field added: {type_in_words(after[name]['type'])}, default {_default(after[name])}"
            yield Difference(Change.FIELD_ADDED, _inside(path, name), detail)
            yield from _rules({}, after[name], _inside(path, name))
        common = [name for name in after if name in before]
        if common != [name for name in before if name in after]:
            yield Difference(Change.FIELD_ORDER, path, "fields reordered; readers match them by name")
        for name in common:
            yield from self._field(before[name], after[name], _inside(path, name))

    def _field(self, old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[Difference]:
        yield from _properties(old, new, path)
        if old.get("default", ...) != new.get("default", ...):
            yield Difference(Change.DEFAULT, path, f"default {_default(old)} became {_default(new)}")
        yield from self.of(old["type"], new["type"], path)

    def _unions(self, old: list[Any], new: list[Any], path: str) -> Iterator[Difference]:
        before = {_shown(branch): branch for branch in old}
        after = {_shown(branch): branch for branch in new}
        if list(before) != list(after):
            yield Difference(
                Change.TYPE, path, f"union of {', '.join(before)} became union of {', '.join(after)}"
            )
        for name in sorted(before.keys() & after.keys()):
            yield from self.of(before[name], after[name], path)


def _properties(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[Difference]:
    yield from _rules(old, new, path)
    if old.get("doc") != new.get("doc"):
        yield Difference(Change.DOC, path, f"doc {_quoted(old)} became {_quoted(new)}")
    if old.get("aliases", []) != new.get("aliases", []):
        yield Difference(Change.ALIAS, path, f"aliases {_aliases(old)} became {_aliases(new)}")
    if "PII" in old.get(_TAGS, ()) and "PII" not in new.get(_TAGS, ()):
        yield Difference(Change.PII_UNTAGGED, path, "no longer tagged PII, so logs will show it")


def _rules(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[Difference]:
    before, after = _by_name(old), _by_name(new)
    for name in sorted(before.keys() - after.keys()):
        yield Difference(Change.RULE_DROPPED, path, f"rule {name} dropped: {before[name]}")
    for name in sorted(after.keys() - before.keys()):
        yield Difference(Change.RULE_ADDED, path, f"rule {name} added: {after[name]}")
    for name in sorted(before.keys() & after.keys()):
        if before[name] != after[name]:
            yield Difference(Change.RULE_CHANGED, path, f"rule {name} was {before[name]}, is {after[name]}")


def _enums(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> Iterator[Difference]:
    yield from _properties(old, new, path)
    before, after = old.get("default"), new.get("default")
    if before is None and after is not None:
        yield Difference(Change.ENUM_DEFAULT_ADDED, path, f"enum default {after} added")
    elif before != after:
        yield Difference(Change.ENUM_DEFAULT, path, f"enum default {before} became {after or 'none'}")
    for symbol in sorted(set(old["symbols"]) ^ set(new["symbols"])):
        verb = "removed" if symbol in old["symbols"] else "added"
        yield Difference(Change.TYPE, path, f"symbol {symbol} {verb}")


def _logical(old: Any, new: Any, path: str) -> Iterator[Difference]:
    before, after = _logical_of(old), _logical_of(new)
    if before != after:
        detail = f"logical type {before or 'none'} became {after or 'none'}"
        yield Difference(Change.LOGICAL_TYPE, path, detail)


def _logical_of(schema: Any) -> str:
    found = {str(part) for branch in branches(schema) for part in _logical_parts(branch)}
    return ", ".join(sorted(found))


def _logical_parts(schema: Any) -> list[Any]:
    return [schema[key] for key in _LOGICAL if key in schema] if isinstance(schema, Mapping) else []


def _named(schema: Any) -> dict[str, Any]:
    return {name: here.schema for here in types(schema) if (name := here.defines)}


def _fields(record: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {field["name"]: field for field in record["fields"]}


def _by_name(schema: Mapping[str, Any]) -> dict[str, str]:
    return {str(rule.get("name")): str(rule.get("expr")) for rule in schema.get(_RULES, ())}


def _inside(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _text(schema: Any) -> str:
    return schema if isinstance(schema, str) else ""


def _shown(schema: Any) -> str:
    if isinstance(schema, str) and schema not in PRIMITIVES:
        return schema
    kind = kind_of(schema)
    return full_name(schema) if kind in NAMED and isinstance(schema, Mapping) else kind


def _quoted(of: Mapping[str, Any]) -> str:
    return f"“{of['doc']}”" if "doc" in of else "(none)"


def _aliases(of: Mapping[str, Any]) -> str:
    return ", ".join(of.get("aliases", [])) or "(none)"


def _default(field: Mapping[str, Any]) -> str:
    return json.dumps(field["default"], ensure_ascii=False) if "default" in field else "(none)"
