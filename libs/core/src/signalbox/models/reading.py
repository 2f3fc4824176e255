"""Finding the answer in what a model wrote: the object that was asked for, however it is wrapped."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from signalbox.models.loose_json import objects_in, parsed

_DEEPEST: Final = 4
"""How many objects an answer may be wrapped in."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The fields of the object that is asked for."""

    fields: frozenset[str]
    required: frozenset[str]

    @classmethod
    def of(cls, schema: Mapping[str, Any]) -> Self:
        """Return the shape that a JSON schema of an object describes."""
        fields = frozenset(schema.get("properties", {}))
        return cls(fields, frozenset(schema.get("required", fields)))


def answer_in(text: str, shape: Shape) -> dict[str, Any] | None:
    """Return the answer that stands in ``text``; None without one, or where several differ."""
    inside = [answer for one in objects_in(text) if (answer := unwrapped(one, shape)) is not None]
    return inside[0] if inside and all(answer == inside[0] for answer in inside) else None


def unwrapped(value: Any, shape: Shape, deep: int = 0) -> dict[str, Any] | None:
    """Return the outermost object in ``value`` that has the fields that are asked for; None without one."""
    if isinstance(value, str):
        value = parsed(value)
    match value:
        case dict() if shape.required <= value.keys() and shape.fields & value.keys():
            return value
        case dict() if len(value) <= _DEEPEST:
            inner = list(value.values())
        case [one]:
            inner = [one]
        case _:
            return None
    if deep >= _DEEPEST:
        return None
    found = [answer for one in inner if (answer := unwrapped(one, shape, deep + 1)) is not None]
    return found[0] if len(found) == 1 else None
