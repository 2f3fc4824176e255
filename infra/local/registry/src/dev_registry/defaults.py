"""Says whether a field's default is a value of the field's type (Avro 1.12, "Complex Types", "default")."""

import math
from collections.abc import Callable, Mapping
from typing import Any

Definitions = Mapping[str, dict[str, Any]]


def _is_integer(bits: int) -> Callable[[Any], bool]:
    bound = 2 ** (bits - 1)
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and -bound <= value < bound


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_bytes(value: Any) -> bool:
    return isinstance(value, str) and all(ord(character) < 256 for character in value)  # noqa: PLR2004


_PRIMITIVE: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "int": _is_integer(32),
    "long": _is_integer(64),
    "float": _is_number,
    "double": _is_number,
    "bytes": _is_bytes,
    "string": lambda value: isinstance(value, str),
}


def is_valid_default(schema: Any, value: Any, defined: Definitions) -> bool:
    """Return whether ``value`` fits the resolved ``schema``; a union's default may fit any branch."""
    if isinstance(schema, list):
        return any(is_valid_default(branch, value, defined) for branch in schema)
    if isinstance(schema, str):
        return _PRIMITIVE[schema](value) if schema in _PRIMITIVE else _fits(defined[schema], value, defined)
    return _fits(schema, value, defined)


def _fits(schema: dict[str, Any], value: Any, defined: Definitions) -> bool:
    match schema["type"]:
        case "array":
            items = schema["items"]
            return isinstance(value, list) and all(is_valid_default(items, item, defined) for item in value)
        case "map":
            values = schema["values"]
            return isinstance(value, dict) and all(
                is_valid_default(values, item, defined) for item in value.values()
            )
        case "enum":
            return isinstance(value, str) and value in schema["symbols"]
        case "fixed":
            return _is_bytes(value) and len(value) == schema["size"]
        case "record" | "error":
            return isinstance(value, dict) and all(
                _field_fits(field, value, defined) for field in schema["fields"]
            )
        case primitive:
            return _PRIMITIVE[primitive](value)


def _field_fits(field: dict[str, Any], record: dict[str, Any], defined: Definitions) -> bool:
    if field["name"] in record:
        return is_valid_default(field["type"], record[field["name"]], defined)
    return "default" in field
