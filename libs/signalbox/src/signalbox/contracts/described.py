"""A contract described for people: its fields by path, rules, tags, and an example that keeps its rules."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from signalbox.contracts.cel_check import holds, problem_of
from signalbox.contracts.schema_walk import branches, kind_of, types
from signalbox.contracts.sources import NAMED, full_name

_RULES: Final = "confluent:rules"
_TAGS: Final = "confluent:tags"
_TIME: Final = "2026-03-02T09:00:00.000Z"
_TEXTS: Final = (
    "example",
    "ada@example.org",
    "https://example.org",
    "sdr.LeadScored",
    "scheduled",
    "1.0",
)
"""Tried in this order until one keeps the field's rules."""
_NUMBERS: Final = (1, 0, 50, 100, 1000, -1)


@dataclass(frozen=True, slots=True)
class Rule:
    """One data rule."""

    name: str
    doc: str
    expression: str


@dataclass(frozen=True, slots=True)
class FieldDescription:
    """One field; ``path`` is like ``emails[].to``, ``default`` is JSON, or None where there is none."""

    path: str
    type: str
    doc: str
    default: str | None
    personal: bool
    rules: tuple[Rule, ...]
    symbols: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Description:
    """What one contract says; ``example`` is a record of it as JSON."""

    name: str
    doc: str
    rules: tuple[Rule, ...]
    fields: tuple[FieldDescription, ...]
    example: str

    @property
    def personal(self) -> tuple[str, ...]:
        """The paths that are tagged as personal data."""
        return tuple(field.path for field in self.fields if field.personal)


def describe(schema: Mapping[str, Any]) -> Description:
    """Describe a self-contained record schema."""
    known = {name: here.schema for here in types(schema) if (name := here.defines)}
    return Description(
        name=full_name(schema),
        doc=str(schema.get("doc", "")),
        rules=_rules(schema),
        fields=tuple(_fields(schema, known, "", ())),
        example=json.dumps(_Example(known).of(schema, ()), indent=2, ensure_ascii=False),
    )


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


def _fields(
    record: Mapping[str, Any], known: Mapping[str, Any], path: str, around: tuple[str, ...]
) -> Iterator[FieldDescription]:
    name = full_name(record)
    if name in around:
        return
    for field in record.get("fields", ()):
        here = f"{path}.{field['name']}" if path else str(field["name"])
        inner, step = _innermost(field["type"], known)
        yield FieldDescription(
            path=here,
            type=type_in_words(field["type"]),
            doc=str(field.get("doc", "")),
            default=json.dumps(field["default"], ensure_ascii=False) if "default" in field else None,
            personal="PII" in field.get(_TAGS, ()),
            rules=_rules(field),
            symbols=tuple(inner.get("symbols", ())) if isinstance(inner, Mapping) else (),
        )
        if isinstance(inner, Mapping) and kind_of(inner) == "record":
            yield from _fields(inner, known, here + step, (*around, name))


def _innermost(schema: Any, known: Mapping[str, Any], step: str = "") -> tuple[Any, str]:
    """Follow optional types, arrays and maps to what they hold; ``step`` is how a path says that."""
    if isinstance(schema, list):
        return _innermost(next(iter(branches(schema)), None), known, step)
    schema = known.get(schema, schema) if isinstance(schema, str) else schema
    match kind_of(schema):
        case "array":
            return _innermost(schema["items"], known, f"{step}[]")
        case "map":
            return _innermost(schema["values"], known, f"{step}{{}}")
    return schema, step


def _rules(of: Mapping[str, Any]) -> tuple[Rule, ...]:
    return tuple(
        Rule(str(rule.get("name", "")), str(rule.get("doc", "")), str(rule.get("expr", "")))
        for rule in of.get(_RULES, ())
    )


class _Example:
    """Makes one example of a type, in JSON values; a field takes the first value that keeps its rules."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        self._known = known

    def of(self, schema: Any, around: tuple[str, ...]) -> Any:
        return next(self.candidates(schema, around))

    def candidates(self, schema: Any, around: tuple[str, ...]) -> Iterator[Any]:
        if isinstance(schema, list):
            yield from self.candidates(next(iter(branches(schema)), "null"), around)
            return
        if isinstance(schema, str):
            yield from _primitive(schema) or self.candidates(self._known.get(schema, "null"), around)
            return
        match kind_of(schema):
            case "record":
                yield self._record(schema, around)
            case "enum":
                yield from schema.get("symbols", ())
            case "fixed":
                yield "\x00" * int(schema.get("size", 0))
            case "array":
                yield [self.of(schema["items"], around)]
                yield []
            case "map":
                yield {"key": self.of(schema["values"], around)}
            case kind:
                time = "logicalType" in schema and kind in {"int", "long"}
                yield from (_TIME,) if time else (_primitive(kind) or ("example",))

    def _record(self, record: Mapping[str, Any], around: tuple[str, ...]) -> Any:
        name = full_name(record)
        if name in around:
            return None
        return {field["name"]: self._field(field, (*around, name)) for field in record.get("fields", ())}

    def _field(self, field: Mapping[str, Any], around: tuple[str, ...]) -> Any:
        candidates = list(self.candidates(field["type"], around))
        if isinstance(field["type"], list) and "null" in field["type"]:
            candidates.append(None)
        return next((one for one in candidates if self._keeps(one, field)), candidates[0])

    def _keeps(self, value: Any, field: Mapping[str, Any]) -> bool:
        rules = [rule.expression for rule in _rules(field)]
        sound = [one for one in rules if problem_of(one, field["type"], self._known) is None]
        return value is None or all(holds(expression, value) for expression in sound)


def _primitive(kind: str) -> tuple[Any, ...]:
    match kind:
        case "string":
            return _TEXTS
        case "bytes":
            return ("",)
        case "int" | "long":
            return _NUMBERS
        case "float" | "double":
            return (1.0, 0.0)
        case "boolean":
            return (False, True)
        case "null":
            return (None,)
    return ()
