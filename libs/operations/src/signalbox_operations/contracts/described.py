"""A contract described for people: its fields by path, rules, tags, and an example that keeps its rules."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from signalbox_operations.contracts.example_records import example_of
from signalbox_operations.contracts.schema_walk import branches, kind_of, type_in_words, types
from signalbox_operations.contracts.sources import full_name

_RULES: Final = "confluent:rules"
_TAGS: Final = "confluent:tags"


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
        example=json.dumps(example_of(schema, known), indent=2, ensure_ascii=False),
    )


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
