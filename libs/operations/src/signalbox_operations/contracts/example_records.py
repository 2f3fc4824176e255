"""Examples of contracts for people, in JSON values, made so that they keep the contract's own rules."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from signalbox_operations.contracts.cel_check import holds, problem_of
from signalbox_operations.contracts.schema_walk import branches, kind_of
from signalbox_operations.contracts.sources import full_name

_RULES: Final = "confluent:rules"
_TIME: Final = "2026-03-02T09:00:00.000Z"
_PRIMITIVES: Final[Mapping[str, tuple[Any, ...]]] = {
    "string": ("example", "ada@example.org", "https://example.org", "scheduled"),
    "bytes": ("",),
    "int": (1, 0, 50, 100, 1000, -1),
    "long": (1, 0, 50, 100, 1000, -1),
    "float": (1.0, 0.0),
    "double": (1.0, 0.0),
    "boolean": (False, True),
    "null": (None,),
}
"""Tried in this order until one keeps the field's rules."""


def example_of(record: Mapping[str, Any], known: Mapping[str, Any]) -> Any:
    """Make an example of ``record``; ``known`` has the definitions of the names that it refers to."""
    return next(_Example(known).candidates(record, ()))


class _Example:
    def __init__(self, known: Mapping[str, Any]) -> None:
        self._known = known

    def candidates(self, schema: Any, around: tuple[str, ...]) -> Iterator[Any]:
        if isinstance(schema, list):
            yield from self.candidates(next(iter(branches(schema)), "null"), around)
        elif isinstance(schema, str):
            yield from _PRIMITIVES.get(schema) or self.candidates(self._known.get(schema, "null"), around)
        else:
            yield from self._of_definition(schema, around)

    def _of_definition(self, schema: Mapping[str, Any], around: tuple[str, ...]) -> Iterator[Any]:
        match kind_of(schema):
            case "record":
                yield self._record(schema, around)
            case "enum":
                yield from schema.get("symbols", ())
            case "fixed":
                yield "\x00" * int(schema.get("size", 0))
            case "array":
                yield [next(self.candidates(schema["items"], around))]
                yield []
            case "map":
                yield {"key": next(self.candidates(schema["values"], around))}
            case kind:
                is_time = "logicalType" in schema and kind in {"int", "long"}
                yield from (_TIME,) if is_time else _PRIMITIVES.get(kind, ("example",))

    def _record(self, record: Mapping[str, Any], around: tuple[str, ...]) -> Any:
        name = full_name(record)
        if name in around:
            return None
        fields = record.get("fields", ())
        full = {field["name"]: self._field(field, (*around, name)) for field in fields}
        if self._keeps(full, record, record):
            return full
        optional = {field["name"]: None for field in fields if _is_optional(field["type"])}
        return {**full, **optional}

    def _field(self, field: Mapping[str, Any], around: tuple[str, ...]) -> Any:
        candidates = list(self.candidates(field["type"], around))
        if _is_optional(field["type"]):
            candidates.append(None)
        elif "default" in field:
            candidates.insert(0, field["default"])
        return next((one for one in candidates if self._keeps(one, field, field["type"])), candidates[0])

    def _keeps(self, value: Any, where: Mapping[str, Any], schema: Any) -> bool:
        rules = [str(rule.get("expr")) for rule in where.get(_RULES, ())]
        sound = [one for one in rules if problem_of(one, schema, self._known) is None]
        return value is None or all(holds(expression, value) for expression in sound)


def _is_optional(schema: Any) -> bool:
    return isinstance(schema, list) and "null" in schema
