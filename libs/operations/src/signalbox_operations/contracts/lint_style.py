"""Lint rules on names and docs."""

import re
from collections.abc import Iterator
from typing import Final

from signalbox_operations.contracts.lint_subject import LintedSubject, Problem
from signalbox_operations.contracts.sources import NAMED, full_name

_SNAKE: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_PASCAL: Final = re.compile(r"([A-Z][a-z0-9]*)+")
_UPPER_SNAKE: Final = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")


def file_names_its_type(subject: LintedSubject) -> Iterator[Problem]:
    expected, definition = subject.source.name, subject.source.definition
    if not isinstance(definition, dict) or definition.get("type") not in NAMED:
        yield Problem((), "the file defines no named type", "Write one record or enum a file.")
    elif full_name(definition) != expected:
        hint = f"Call it {expected}, or move the file to where its name belongs."
        yield Problem(("name",), f"the file defines {full_name(definition)}", hint)


def type_has_doc(subject: LintedSubject) -> Iterator[Problem]:
    for name, here in subject.defining():
        if not str(here.schema.get("doc", "")).strip():
            yield Problem(here.path, f"{name} has no doc", 'Add "doc": what it stands for, in one sentence.')


def field_has_doc(subject: LintedSubject) -> Iterator[Problem]:
    for field in subject.fields:
        if not str(field.field.get("doc", "")).strip():
            hint = 'Add "doc": what it means, with its unit and what null stands for.'
            yield Problem(field.path, f"the field {field.name} has no doc", hint)


def field_is_snake_case(subject: LintedSubject) -> Iterator[Problem]:
    for field in subject.fields:
        if not _SNAKE.fullmatch(field.name):
            hint = f"Call it {_snake(field.name)}."
            yield Problem((*field.path, "name"), f"the field {field.name} is not snake_case", hint)


def type_names(subject: LintedSubject) -> Iterator[Problem]:
    for name, here in subject.defining():
        if not _PASCAL.fullmatch(name.rpartition(".")[2]):
            yield Problem((*here.path, "name"), f"{name} is not PascalCase", "Name it like LeadScored.")
        for index, symbol in enumerate(here.schema.get("symbols", ())):
            if not _UPPER_SNAKE.fullmatch(str(symbol)):
                path = (*here.path, "symbols", index)
                yield Problem(
                    path, f"the symbol {symbol} is not UPPER_SNAKE_CASE", f"Call it {_snake(symbol).upper()}."
                )


def _snake(name: str) -> str:
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)
    return "_".join(words).lower() or "some_name"
