"""Personal data stays out of logs: what is personal in the message in hand is blotted out of every line.

Code that logs says ids and not people. But an exception's text may quote what it failed on, and a library
logs what it likes; so the values themselves are told here, and the last step before a line is written
removes them.
"""

import json
import re
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from functools import cached_property
from typing import Any, Final

from structlog.typing import EventDict, WrappedLogger

BLOT: Final = "•••"
_OURS: Final = frozenset({"level", "timestamp", "module", "service", "logger", "agent", "record_type"})
"""Keys whose values are never from outside."""
_QUOTED_INPUT: Final = re.compile(r"input_value=.*?(?=, input_type=)", re.DOTALL)
"""How pydantic quotes what it turned down: cut in the middle, so that no value is found in it as a whole."""
_LEAST: Final = 4
"""Shorter words are removed only where they stand alone: a person may be called Al."""


class _Values:
    """What is personal, in the forms in which texts quote it."""

    def __init__(self, values: Iterable[str]) -> None:
        self._values = tuple(values)

    @cached_property
    def forms(self) -> list[str]:
        """Return values, their lines, and both as ``repr`` and JSON write them; the longest first."""
        lines = {line.strip() for value in self._values for line in (value, *value.splitlines())}
        quoted = {form for line in lines for form in (line, repr(line)[1:-1], json.dumps(line)[1:-1])}
        return sorted(quoted - {""}, key=len, reverse=True)

    def blotted(self, text: str) -> str:
        for form in self.forms:
            if form in text:
                text = text.replace(form, BLOT) if len(form) >= _LEAST else _alone(form, text)
        return text


_HIDDEN: ContextVar[_Values | None] = ContextVar("personal_values", default=None)


def hide_from_logs(values: Iterable[str]) -> None:
    """Blot ``values`` out of whatever this task logs from here on, in the threads that work for it, too."""
    _HIDDEN.set(_Values(values))


def blot_personal(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Remove what :func:`hide_from_logs` was told; a structlog processor, the last before the renderer."""
    hidden = _HIDDEN.get()
    for key, value in event.items():
        if key not in _OURS:
            event[key] = _blotted(value, hidden)
    return event


def _blotted(value: Any, hidden: _Values | None) -> Any:
    match value:
        case str():
            shown = _QUOTED_INPUT.sub(f"input_value={BLOT}", value)
            return hidden.blotted(shown) if hidden else shown
        case Mapping():
            return {key: _blotted(item, hidden) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_blotted(item, hidden) for item in value]
        case _:
            return value


def _alone(word: str, text: str) -> str:
    return re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", BLOT, text)
