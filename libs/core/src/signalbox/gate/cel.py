"""CEL as the data rules use it: ``this`` and ``now``, evaluated in bounded time, blind to nothing.

Three things that the evaluator does not do by itself are done here. It cuts texts at U+0000, so a text with
one is refused before a rule can be deceived. It does not know Python's times, decimals and UUIDs, so they
are converted. And nothing limits what a rule may cost, so its cost is estimated from the rule and the sizes
of its input, in nanoseconds as measured once; the clock is never asked, so no verdict depends on it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from cel_expr_python import cel  # type: ignore[import-untyped]  # its stubs are not marked as typed
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import BytesValue

from signalbox.protocol.errors import ConfigurationError

_ITERATIONS: Final = 10_000
"""The evaluator's own budget for one evaluation; it fails beyond it."""
_ENV: Final = cel.NewEnv(
    variables={"this": cel.Type.DYN, "now": cel.Type.TIMESTAMP, "items": cel.Type.DYN},
)
_PATTERN_CALL: Final = re.compile(r"\bmatches\s*\(")
_PATTERN_LITERAL: Final = re.compile(r"""\.matches\s*\(\s*(r?'(?:[^'\\]|\\.)*'|r?"(?:[^"\\]|\\.)*")\s*\)""")
_LITERAL: Final = re.compile(r"""r'[^']*'|r"[^"]*"|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")
_LOOP: Final = re.compile(r"\.(?:all|exists|exists_one|map|filter)\s*\(")
_TEXT_WORK: Final = re.compile(r"\b(?:contains|startsWith|endsWith|size|string|bytes)\s*\(")
_TOKEN: Final = re.compile(r"\w+|[^\w\s]")

_PER_EVALUATION: Final = 3_000
_PER_TOKEN: Final = 50
_PER_VALUE: Final = 400
_PER_PATTERN: Final = 7_000
_PER_CHARACTER: Final = 4
_PER_STATE: Final = 13


class EvaluationFailed(Exception):
    """An expression gave neither a bool nor a text; the message says what the evaluator said."""


class Unreadable(Exception):
    """A value can't be shown to a rule; ``path`` is where it is inside what was bound."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.steps: list[str] = []

    @property
    def path(self) -> str:
        return "".join(reversed(self.steps))


@dataclass(slots=True)
class Binding:
    """Python values as the evaluator takes them, and how much of them there is."""

    values: int = 0
    characters: int = 0
    longest: int = 0

    @classmethod
    def total(cls, parts: Iterable["Binding"]) -> "Binding":
        """Add up what was bound in parts."""
        total = cls()
        for part in parts:
            total.values += part.values
            total.characters += part.characters
            total.longest = max(total.longest, part.longest)
        return total

    def bind(self, value: Any) -> Any:
        """Convert a decoded value: times to timestamps and durations, dates to days, decimals to doubles.

        Raises:
            Unreadable: a text holds U+0000, or the type is none that Avro decodes to.
        """
        self.values += 1
        match value:
            case str():
                return self._text(value)
            case None | bool() | int() | float():
                return value
            case dict():
                return {self._text(key): self._inside(item, f'["{key}"]') for key, item in value.items()}
            case list():
                return [self._inside(item, index) for index, item in enumerate(value)]
            case bytes():
                self._measure(len(value))
                return BytesValue(value=value) if b"\0" in value else value
            case _:
                return _scalar(value)

    def _inside(self, value: Any, step: str | int) -> Any:
        try:
            return self.bind(value)
        except Unreadable as unreadable:
            unreadable.steps.append(step if isinstance(step, str) else f"[{step}]")
            raise

    def _text(self, text: str) -> str:
        if "\0" in text:
            raise Unreadable("a text holds U+0000, behind which rules are blind")
        self._measure(len(text))
        return text

    def _measure(self, length: int) -> None:
        self.characters += length
        self.longest = max(self.longest, length)


def _scalar(value: Any) -> Any:
    match value:
        case datetime():
            return timestamp(value)
        case date():
            return (value - date(1970, 1, 1)).days
        case time():
            seconds = value.hour * 3600 + value.minute * 60 + value.second
            return Duration(seconds=seconds, nanos=value.microsecond * 1000)
        case Decimal():
            return float(value)
        case UUID():
            return str(value)
        case _:
            raise Unreadable(f"a {type(value).__name__} can't be shown to a rule")


def timestamp(moment: datetime) -> Timestamp:
    """Convert a time; one without a zone (``local-timestamp-*``) is taken as UTC."""
    converted = Timestamp()
    converted.FromDatetime(moment.astimezone(UTC) if moment.tzinfo else moment)
    return converted


class Expression:
    """One compiled expression."""

    def __init__(self, text: str) -> None:
        """Compile ``text``.

        Raises:
            ConfigurationError: it does not compile, or a regular expression in it does not, or is no literal.
        """
        self.text = text
        try:
            self._program = _ENV.compile(text)
        except RuntimeError as error:
            raise ConfigurationError(f"the rule {text!r} does not compile: {error}") from error
        patterns = _patterns(text)
        returned = self._program.return_type().name()
        self.is_bool = returned == "BOOL"
        self.may_be_bool = returned in ("BOOL", "DYN")
        code = _LITERAL.sub("''", text)
        self.loops = len(_LOOP.findall(code))
        self._fixed = _PER_TOKEN * len(_TOKEN.findall(code)) + _PER_PATTERN * len(patterns)
        self._per_character = (
            sum(_PER_CHARACTER + _PER_STATE * counted_states(pattern) for pattern in patterns)
            + len(_TEXT_WORK.findall(code))
            + _PER_CHARACTER * 2 * code.count("+")
        )

    def cost(self, members: int, size: Binding) -> int:
        """Estimate what evaluating it costs, once a member of a ``size`` in all, in nanoseconds."""
        if not self.loops:
            work = members * self._fixed + size.characters * self._per_character
        else:
            rounds = min(_ITERATIONS, max(size.values, 1) ** self.loops)
            work = members * rounds * (self._fixed + size.longest * self._per_character)
        return _PER_EVALUATION + _PER_VALUE * size.values + work

    def evaluate(self, this: Any, now: Timestamp) -> bool | str:
        """Evaluate it on a bound value. Raises EvaluationFailed."""
        return self._outcome({"this": this, "now": now})

    def evaluate_all(self, items: list[Any], now: Timestamp) -> bool | str:
        """Evaluate an expression that speaks of ``items``. Raises EvaluationFailed."""
        return self._outcome({"items": items, "now": now})

    def _outcome(self, data: dict[str, Any]) -> bool | str:
        try:
            outcome = self._program.eval(data=data)
            kind, value = outcome.type().name(), outcome.value()
        except (RuntimeError, ValueError, TypeError) as error:
            raise EvaluationFailed(str(error)) from error
        match kind, value:
            case ("BOOL", bool()) | ("STRING", str()):
                return value  # type: ignore[no-any-return]
            case "ERROR", _:
                raise EvaluationFailed(str(value))
            case _:
                raise EvaluationFailed(f"it gives {kind}, neither bool nor string")


def _patterns(text: str) -> list[str]:
    literals = _PATTERN_LITERAL.findall(text)
    # A pattern that came from the message could be made to take any time.
    if len(literals) != len(_PATTERN_CALL.findall(text)):
        raise ConfigurationError(
            f"the rule {text!r} calls matches() with what is no literal: text.matches('…')"
        )
    return [_compiled_pattern(literal) for literal in literals]


@lru_cache(maxsize=1024)
def _compiled_pattern(literal: str) -> str:
    # The evaluator compiles a regular expression only when it is used, so it is used once.
    probe = _ENV.compile(f"[''.matches({literal})] == [] ? '' : {literal}").eval(data={})
    if probe.type().name() != "STRING":
        raise ConfigurationError(f"the regular expression {literal} does not compile: {probe.value()}")
    return str(probe.value())


_COUNTED: Final = re.compile(
    r"\\x\{[^}]*\}|\\[pP]\{[^}]*\}|\\.|\[\^?\]?(?:\\.|[^\]])*\]|\{(\d+)(?:,(\d*))?\}|.", re.S
)


def counted_states(pattern: str) -> int:
    """Return the states that a pattern's counted repetitions unfold to; 0 when it counts nothing.

    Without counting, matching takes one step a character; with it, RE2 may take one a character and state.
    """
    counted = False
    groups: list[list[int]] = [[0]]  # the sizes of the open groups' parts, innermost last
    for token in _COUNTED.finditer(pattern):
        match token[0]:
            case "(":
                groups.append([0])
            case ")" if len(groups) > 1:
                group = sum(groups.pop())
                groups[-1].append(group)
            case _ if token[1]:
                counted = True
                groups[-1][-1] *= int(token[2] or token[1])
            case _:
                groups[-1].append(1)
    return sum(map(sum, groups)) if counted else 0
