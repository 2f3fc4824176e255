"""Checks of data rules before they are registered: they compile, and they run on a record of their schema.

A rule that names a field that is not there compiles, since ``this`` is dynamic; so each rule is also run on
example values made from its own schema.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from cel_expr_python import cel  # type: ignore[import-untyped]
from google.protobuf.timestamp_pb2 import Timestamp

from signalbox_operations.contracts.schema_walk import branches, kind_of
from signalbox_operations.contracts.sources import full_name

_VERDICTS: Final = frozenset({"BOOL", "STRING"})
"""A rule says false, or a text that is not empty, where it is violated."""

_PRIMITIVES: Final[Mapping[str, Any]] = {
    "null": None,
    "boolean": True,
    "int": 1,
    "long": 1,
    "float": 1.0,
    "double": 1.0,
    "bytes": b"example",
    "string": "example",
}


def problem_of(expression: str, schema: Any, known: Mapping[str, Any]) -> str | None:
    """Say what is wrong with a rule on values of ``schema``; None when it runs on all examples.

    ``known`` has the definitions of the names that ``schema`` refers to.
    """
    try:
        program = _environment().compile(expression)
    except RuntimeError as error:
        return f"it is no CEL: {_first_line(str(error))}"
    for example in examples(schema, known):
        if example is not None and (problem := _run(program, example)):
            return problem
    return None


def holds(expression: str, value: Any) -> bool:
    """Say whether a rule that compiles holds for ``value``, a field's default as JSON has it."""
    program = _environment().compile(expression)
    result = program.eval(data={"this": value, "now": Timestamp(seconds=0)}).value()
    return result is True or result == ""


def _run(program: Any, example: Any) -> str | None:
    try:
        result = program.eval(data={"this": example, "now": Timestamp(seconds=0)})
    except RuntimeError as error:
        return f"it fails on an example: {_first_line(str(error))}"
    kind = result.type().name()
    if kind == "ERROR":
        return f"it fails on an example: {_first_line(str(result.value()))}"
    return None if kind in _VERDICTS else f"it gives {kind}, not a truth value"


def examples(schema: Any, known: Mapping[str, Any]) -> Iterator[Any]:
    """Give two values of ``schema``: one with every optional field there, one with none."""
    yield _Example(known, present=True).of(schema)
    yield _Example(known, present=False).of(schema)


class _Example:
    def __init__(self, known: Mapping[str, Any], *, present: bool) -> None:
        self._known = known
        self._present = present
        self._open: list[str] = []

    def of(self, schema: Any) -> Any:
        if isinstance(schema, list):
            if "null" in schema and not self._present:
                return None
            return self.of(next(iter(branches(schema)), "null"))
        if isinstance(schema, str):
            return _PRIMITIVES[schema] if schema in _PRIMITIVES else self.of(self._known.get(schema))
        return self._of_definition(schema) if isinstance(schema, Mapping) else None

    def _of_definition(self, schema: Mapping[str, Any]) -> Any:
        match kind_of(schema):
            case "record":
                return self._of_record(schema)
            case "enum":
                return next(iter(schema.get("symbols", ())), "")
            case "fixed":
                return b"\0" * int(schema.get("size", 0))
            case "array":
                return [self.of(schema.get("items"))]
            case "map":
                return {"example": self.of(schema.get("values"))}
            case kind:
                return _logical(schema) or self.of(kind or schema.get("type"))

    def _of_record(self, schema: Mapping[str, Any]) -> Any:
        name = full_name(schema)
        if name in self._open:
            return None  # a recursive record ends at its first repetition
        self._open.append(name)
        value = {field.get("name"): self.of(field.get("type")) for field in schema.get("fields", ())}
        self._open.pop()
        return value


def _logical(schema: Mapping[str, Any]) -> Any:
    return Timestamp(seconds=1) if str(schema.get("logicalType", "")).startswith("timestamp-") else None


@cache
def _environment() -> Any:
    return cel.NewEnv(variables={"this": cel.Type.DYN, "now": cel.Type.TIMESTAMP})


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0] if text.strip() else "no reason given"
