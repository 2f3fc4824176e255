"""Whether a field's default fits its type: parsers accept any; a reader then fails or makes wrong data of it.

Source: Apache Avro 1.12 specification, *Complex Types*, field default values. A union's default is of its
first branch, and bytes are written as text of the code points 0 to 255.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from signalbox_operations.contracts.lint_subject import LintedSubject, Problem
from signalbox_operations.contracts.schema_walk import kind_of

_LATIN: Final = 256
_INT: Final = range(-(2**31), 2**31)
_LONG: Final = range(-(2**63), 2**63)


def defaults_fit(subject: LintedSubject) -> Iterator[Problem]:
    for field in subject.fields:
        if "default" in field.field and not _fits(field.field["default"], field.field.get("type"), subject):
            hint = "Write a value of the type: of a union's first branch; of bytes as text up to U+00FF."
            yield Problem((*field.path, "default"), f"the default of {field.name} is not of its type", hint)


def _fits(value: Any, schema: Any, subject: LintedSubject) -> bool:
    if isinstance(schema, list):
        return bool(schema) and _fits(value, schema[0], subject)
    if isinstance(schema, str) and schema in subject.definitions:
        return _fits(value, subject.definitions[schema], subject)
    kind = kind_of(schema)
    if kind in _PRIMITIVES:
        return _PRIMITIVES[kind](value)
    return _fits_complex(value, kind, schema, subject) if isinstance(schema, Mapping) else True


def _fits_complex(value: Any, kind: str, schema: Mapping[str, Any], subject: LintedSubject) -> bool:
    match kind, value:
        case "array", list():
            return all(_fits(item, schema.get("items"), subject) for item in value)
        case "map", dict():
            return all(_fits(item, schema.get("values"), subject) for item in value.values())
        case "record", dict():
            return all(_fits_field(value, field, subject) for field in schema.get("fields", ()))
        case "enum", _:
            return value in schema.get("symbols", ())
        case "fixed", str():
            return _is_bytes(value) and len(value) == schema.get("size")
    return False


def _fits_field(value: Mapping[str, Any], field: Mapping[str, Any], subject: LintedSubject) -> bool:
    name = str(field.get("name"))
    return _fits(value[name], field.get("type"), subject) if name in value else "default" in field


def _is_bytes(value: Any) -> bool:
    return isinstance(value, str) and all(ord(character) < _LATIN for character in value)


def _is_integer(value: Any, within: range) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value in within


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_PRIMITIVES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "int": lambda value: _is_integer(value, _INT),
    "long": lambda value: _is_integer(value, _LONG),
    "float": _is_number,
    "double": _is_number,
    "string": lambda value: isinstance(value, str),
    "bytes": _is_bytes,
}
