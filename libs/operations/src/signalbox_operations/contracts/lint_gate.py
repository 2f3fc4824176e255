"""Lint rule: what is legal Avro and yet more than the gate takes is told before it is registered."""

from collections.abc import Iterator
from itertools import chain
from typing import Final

from signalbox.avro import parse
from signalbox.avro.form import reader_form
from signalbox.protocol.errors import Refusal
from signalbox_operations.contracts import lint_defaults, lint_shape
from signalbox_operations.contracts.lint_subject import LintedSubject, Problem

_HINT: Final = "Registered like this, it would have no effect: the gate goes on with the version before it."
_TELL_MORE: Final = (
    lint_shape.not_recursive,
    lint_shape.items_have_width,
    lint_shape.not_too_deep,
    lint_shape.names_resolve,
    lint_shape.is_valid_avro,
    lint_defaults.defaults_fit,
)
"""These say the same with the place and what would be right."""


def gate_takes_it(subject: LintedSubject) -> Iterator[Problem]:
    if any(chain.from_iterable(check(subject) for check in _TELL_MORE)):
        return
    if not any(here.kind == "record" and not here.path for here in subject.types):
        return  # a part of records; it is judged with them
    try:
        reader_form(parse(subject.sources.schema_text(subject.source.name)))
    except Refusal as refusal:
        at = f" (at {refusal.field})" if refusal.field else ""
        yield Problem((), f"the gate would never adopt it: {refusal.detail}{at}", _HINT)
