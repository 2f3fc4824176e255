"""Find the records of some types inside a datum, without walking where there are none."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeAlias, TypeVar

import fastavro

from signalbox.avro import types
from signalbox.avro.form import outline
from signalbox.avro.types import Node, RecordNode

_T = TypeVar("_T")

Path: TypeAlias = "tuple[Path, str] | None"
"""Where a value is: its parent's place and the step from there. Rendered only when someone asks."""
Member: TypeAlias = tuple[Path, Mapping[str, Any]]
"""A record and its place."""
Found: TypeAlias = dict[_T, list[Member]]
Visit: TypeAlias = Callable[[Any, Path, Found[_T]], None]


def rendered(path: Path) -> str:
    """Write a place as text: ``emails[2].to``, ``scores["a"]``."""
    steps = []
    while path is not None:
        path, step = path
        steps.append(step)
    return "".join(reversed(steps)).removeprefix(".")


class Planner(Generic[_T]):
    """Makes the visit that collects, per record type, what ``wanted`` gives for it and where its records are.

    ``wanted`` returns None for a type that is of no interest. A visit is None where there is nothing to find.
    """

    def __init__(self, wanted: Callable[[RecordNode], _T | None]) -> None:
        self._wanted = wanted
        self._visits: dict[int, Visit[_T] | None] = {}

    def visit(self, node: Node) -> Visit[_T] | None:
        if id(node) not in self._visits:
            self._visits[id(node)] = self._plan(node)
        return self._visits[id(node)]

    def _plan(self, node: Node) -> Visit[_T] | None:
        match node:
            case RecordNode():
                nested = [(field.name, self.visit(field.type)) for field in node.fields]
                return _record(self._wanted(node), [(name, visit) for name, visit in nested if visit])
            case types.Array():
                return _items(self.visit(node.items))
            case types.Map():
                return _values(self.visit(node.values))
            case types.Union():
                return _branches([(branch, self.visit(branch)) for branch in node.branches])
            case _:
                return None


def _record(own: _T | None, nested: Sequence[tuple[str, Visit[_T]]]) -> Visit[_T] | None:
    if own is None and not nested:
        return None

    def visit(value: Any, path: Path, found: Found[_T]) -> None:
        if own is not None:
            found.setdefault(own, []).append((path, value))
        for name, inner in nested:
            part = value.get(name)
            if part is not None:
                inner(part, (path, f".{name}"), found)

    return visit


def _items(item: Visit[_T] | None) -> Visit[_T] | None:
    if item is None:
        return None

    def visit(value: Any, path: Path, found: Found[_T]) -> None:
        for index, part in enumerate(value):
            if part is not None:
                item(part, (path, f"[{index}]"), found)

    return visit


def _values(inner: Visit[_T] | None) -> Visit[_T] | None:
    if inner is None:
        return None

    def visit(value: Any, path: Path, found: Found[_T]) -> None:
        for key, part in value.items():
            if part is not None:
                inner(part, (path, f'["{key}"]'), found)

    return visit


def _branches(branches: Sequence[tuple[Node, Visit[_T] | None]]) -> Visit[_T] | None:
    if not any(visit for _, visit in branches):
        return None

    def visit(value: Any, path: Path, found: Found[_T]) -> None:
        fitting = [(branch, inner) for branch, inner in branches if _fits(branch, value)]
        if len(fitting) > 1:
            fitting = [(branch, inner) for branch, inner in fitting if _valid(branch, value)]
        if fitting and (inner := fitting[0][1]):
            inner(value, path, found)

    return visit


def _fits(branch: Node, value: Any) -> bool:
    match branch:
        case RecordNode():
            return isinstance(value, dict) and value.keys() == {field.name for field in branch.fields}
        case types.Map():
            return isinstance(value, dict)
        case types.Array():
            return isinstance(value, list)
        case _:
            return False


def _valid(branch: Node, value: Any) -> bool:
    return bool(fastavro.validate(value, outline(branch), raise_errors=False))
