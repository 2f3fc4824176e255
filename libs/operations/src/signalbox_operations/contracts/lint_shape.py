"""Lint rules on what a schema can hold: defaults, times, and shapes that harm a decoder."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from avro.errors import AvroException
from avro.schema import parse as parse_avro

from signalbox_operations.contracts.lint_subject import LintedSubject, Problem
from signalbox_operations.contracts.schema_walk import branches, kind_of
from signalbox_operations.contracts.sources import NAMED, PRIMITIVES

_DEEPEST: Final = 32
"""The gate refuses schemas that are nested deeper."""
_TIME: Final = re.compile(r"(?:.*_)?(?:at|time|timestamp|date|deadline|until|since)")
_COMPLEX: Final = frozenset({"array", "map", "union", *NAMED})


def enum_has_default(subject: LintedSubject) -> Iterator[Problem]:
    for name, here in subject.defining():
        if here.kind == "enum" and here.schema.get("default") not in here.schema.get("symbols", ()):
            hint = 'Add a symbol UNKNOWN and "default": "UNKNOWN", so that older readers survive new symbols.'
            yield Problem(here.path, f"{name} has no default among its symbols", hint)


def time_has_logical_type(subject: LintedSubject) -> Iterator[Problem]:
    for field in subject.fields:
        if not _TIME.fullmatch(field.name):
            continue
        for branch in branches(field.field.get("type")):
            if kind_of(branch) in {"int", "long", "string"} and not _is_time(branch):
                hint = 'Write the type as {"type": "long", "logicalType": "timestamp-millis"}.'
                yield Problem((*field.path, "type"), f"{field.name} is a time without a logical type", hint)


def optional_defaults_to_null(subject: LintedSubject) -> Iterator[Problem]:
    for field in subject.fields:
        union = field.field.get("type")
        if not isinstance(union, list) or "null" not in union:
            continue
        if union[0] != "null":
            yield Problem(
                (*field.path, "type"), f"{field.name} does not have null first", 'Write ["null", X].'
            )
        elif "default" not in field.field or field.field["default"] is not None:
            hint = 'Add "default": null, else readers of older messages fail.'
            yield Problem(field.path, f"{field.name} is optional without a default of null", hint)


def not_recursive(subject: LintedSubject) -> Iterator[Problem]:
    for name, here in subject.defining():
        if name in _reaches(name, subject.definitions):
            hint = "Flatten it, or refer by id: a small message of a recursive schema can crash a decoder."
            yield Problem((*here.path, "name"), f"{name} contains itself", hint)


def items_have_width(subject: LintedSubject) -> Iterator[Problem]:
    for here in subject.types:
        if here.kind == "array" and not _has_width(here.schema.get("items"), subject.definitions, ()):
            hint = "Give the items at least one field: five bytes could stand for millions of items."
            yield Problem((*here.path, "items"), "array items take no bytes", hint)


def not_too_deep(subject: LintedSubject) -> Iterator[Problem]:
    if not list(not_recursive(subject)) and _depth(subject.written_out, subject.definitions, ()) > _DEEPEST:
        yield Problem((), f"nested deeper than {_DEEPEST}", "Flatten it: the gate refuses such schemas.")


def names_resolve(subject: LintedSubject) -> Iterator[Problem]:
    own = {name for name, _ in subject.defining()}
    for here in subject.types:
        if isinstance(here.schema, str) and here.schema not in PRIMITIVES | own | set(subject.sources):
            hint = "Use a full name, namespace.Name, of a file under contracts/avro."
            yield Problem(here.path, f"nothing is called {here.schema or '(no type)'}", hint)


def is_valid_avro(subject: LintedSubject) -> Iterator[Problem]:
    if list(names_resolve(subject)):
        return
    try:
        parse_avro(json.dumps(subject.written_out))
    except (AvroException, KeyError, TypeError, RecursionError) as error:
        hint = "See the Apache Avro specification, Schema Declaration."
        yield Problem((), f"not valid Avro: {error}", hint)


def _is_time(schema: Any) -> bool:
    return isinstance(schema, Mapping) and str(schema.get("logicalType", "")).startswith(
        ("timestamp-", "date")
    )


def _inner(schema: Any) -> list[Any]:
    """Return the types directly inside ``schema``, whatever its kind."""
    if isinstance(schema, list):
        return schema
    if not isinstance(schema, Mapping):
        return []
    inside = [schema[key] for key in ("items", "values") if key in schema]
    return inside + [field.get("type") for field in schema.get("fields", ())]


def _reaches(name: str, known: Mapping[str, Any]) -> set[str]:
    """Return every named type that a value of ``name`` can hold."""
    reached: set[str] = set()
    waiting = _inner(known.get(name))
    while waiting:
        schema = waiting.pop()
        if isinstance(schema, str) and schema in known and schema not in reached:
            reached.add(schema)
            waiting.append(known[schema])
        waiting.extend(_inner(schema))
    return reached


def _has_width(schema: Any, known: Mapping[str, Any], around: tuple[str, ...]) -> bool:
    if isinstance(schema, str):
        if schema in around or schema == "null":
            return False
        return schema not in known or _has_width(known[schema], known, (*around, schema))
    match kind_of(schema):
        case "null":
            return False
        case "fixed":
            return int(schema.get("size", 0)) > 0
        case "record":
            return any(_has_width(inner, known, around) for inner in _inner(schema))
    return True


def _depth(schema: Any, known: Mapping[str, Any], around: tuple[str, ...]) -> int:
    if isinstance(schema, str):
        if schema in around or schema not in known:
            return 0
        return _depth(known[schema], known, (*around, schema))
    inner = max((_depth(part, known, around) for part in _inner(schema)), default=0)
    return inner + (kind_of(schema) in _COMPLEX)
