"""JSON with the place of every value, so that a finding can name file, line and column.

Source: RFC 8259. Duplicate keys are an error here, since which one counts is left open there.
"""

import json
import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any, Final

Path = tuple[str | int, ...]
"""Where a value is in the document: keys and indices from the root."""

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_LITERAL: Final = re.compile(r"true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?")
_DECODER: Final = json.JSONDecoder()
_DEEPEST: Final = 200


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a text; both count from 1."""

    line: int
    column: int


class LocatedJsonError(ValueError):
    """The text is not JSON; ``position`` says where."""

    def __init__(self, problem: str, position: Position) -> None:
        super().__init__(problem)
        self.problem = problem
        self.position = position


@dataclass(frozen=True, slots=True)
class LocatedJson:
    """A document and the place of each value in it."""

    value: Any
    _positions: dict[Path, Position] = field(repr=False)

    def position(self, path: Path) -> Position:
        """Return where ``path`` is, or the nearest value around it that is there."""
        while path and path not in self._positions:
            path = path[:-1]
        return self._positions[path]


def parse(text: str) -> LocatedJson:
    """Read ``text``.

    Raises:
        LocatedJsonError: it is not JSON, has a duplicate key, or is nested deeper than 200.
    """
    reader = _Reader(text)
    value, end = reader.value(reader.skip(0), ())
    if reader.skip(end) != len(text):
        raise reader.error("nothing may follow the document", reader.skip(end))
    return LocatedJson(value, reader.positions)


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.positions: dict[Path, Position] = {}

    def value(self, at: int, path: Path) -> tuple[Any, int]:
        self.positions[path] = self._position(at)
        if len(path) > _DEEPEST:
            raise self.error(f"nested deeper than {_DEEPEST}", at)
        match self._text[at : at + 1]:
            case "{":
                return self._object(at + 1, path)
            case "[":
                return self._array(at + 1, path)
            case '"':
                return self._string(at)
            case _:
                return self._literal(at)

    def skip(self, at: int) -> int:
        match = _SPACE.match(self._text, at)
        return match.end() if match else at

    def error(self, problem: str, at: int) -> LocatedJsonError:
        return LocatedJsonError(problem, self._position(min(at, len(self._text))))

    def _object(self, at: int, path: Path) -> tuple[dict[str, Any], int]:
        members: dict[str, Any] = {}
        at = self.skip(at)
        if self._text.startswith("}", at):
            return members, at + 1
        while True:
            if not self._text.startswith('"', at):
                raise self.error("expected a key in double quotes", at)
            key, after = self._string(at)
            if key in members:
                raise self.error(f"the key {key!r} is there twice", at)
            members[key], at = self.value(self._expect(":", after), (*path, key))
            at = self.skip(at)
            if self._text.startswith("}", at):
                return members, at + 1
            at = self._expect(",", at)

    def _array(self, at: int, path: Path) -> tuple[list[Any], int]:
        items: list[Any] = []
        at = self.skip(at)
        if self._text.startswith("]", at):
            return items, at + 1
        while True:
            item, at = self.value(at, (*path, len(items)))
            items.append(item)
            at = self.skip(at)
            if self._text.startswith("]", at):
                return items, at + 1
            at = self._expect(",", at)

    def _expect(self, mark: str, at: int) -> int:
        at = self.skip(at)
        if not self._text.startswith(mark, at):
            raise self.error(f"expected {mark!r}", at)
        return self.skip(at + 1)

    def _string(self, at: int) -> tuple[str, int]:
        try:
            text, end = _DECODER.raw_decode(self._text, at)
        except json.JSONDecodeError as error:
            raise self.error(error.msg, error.pos) from error
        return str(text), end

    def _literal(self, at: int) -> tuple[Any, int]:
        match = _LITERAL.match(self._text, at)
        if match is None:
            raise self.error("expected a value", at)
        return json.loads(match[0]), match.end()

    def _position(self, at: int) -> Position:
        line = bisect_right(self._line_starts, at)
        return Position(line, at - self._line_starts[line - 1] + 1)
