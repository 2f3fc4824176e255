"""Lint rule: a value says by itself which branch of a union it is of.

Encoders are given a value and no branch, and take the first one that it fits. Two records with the same
fields would so silently become the first of the two.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any, Final

from signalbox_operations.contracts.lint_subject import LintedSubject, Problem
from signalbox_operations.contracts.schema_walk import kind_of
from signalbox_operations.contracts.sources import NAMED

_HINT: Final = "Give each its own required field, or make them one type with an enum that says which it is."
_ALIKE: Final = frozenset(
    {frozenset({"record", "map"}), frozenset({"enum", "string"}), frozenset({"fixed", "bytes"})}
)


def branches_are_apart(subject: LintedSubject) -> Iterator[Problem]:
    for here in subject.types:
        if not isinstance(here.schema, list):
            continue
        for one, other in combinations(here.schema, 2):
            if _alike(_definition(one, subject), _definition(other, subject)):
                what = f"a value of {_called(one)} can be one of {_called(other)}, too"
                yield Problem(here.path, what, _HINT)


def _definition(branch: Any, subject: LintedSubject) -> Any:
    return subject.definitions.get(branch, branch) if isinstance(branch, str) else branch


def _alike(one: Any, other: Any) -> bool:
    kinds = kind_of(one), kind_of(other)
    match kinds:
        case ("record", "record"):
            return not (_own_fields(one, other) and _own_fields(other, one))
        case ("enum", "enum"):
            return bool(set(one.get("symbols", ())) & set(other.get("symbols", ())))
        case ("fixed", "fixed"):
            return bool(one.get("size") == other.get("size"))
        case _:
            return frozenset(kinds) in _ALIKE


def _own_fields(one: Mapping[str, Any], other: Mapping[str, Any]) -> set[str]:
    """Return the required fields of ``one`` that ``other`` does not have."""
    theirs = {field.get("name") for field in other.get("fields", ())}
    return {str(field.get("name")) for field in one.get("fields", ()) if "default" not in field} - theirs


def _called(branch: Any) -> str:
    if isinstance(branch, Mapping):
        return str(branch.get("name", kind_of(branch))) if kind_of(branch) in NAMED else kind_of(branch)
    return str(branch)
