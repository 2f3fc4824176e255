"""What the stand-in recognizes, from ``phrasebook.toml``: statements, and the words that speak for each."""

import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import Final, Literal

Chapter = Literal["pain_points", "buying_signals", "industries"]

# Scripts without spaces have no beginning of a word to look for.
_ALPHABETIC: Final = re.compile(r"[a-zà-ÿа-яё]", re.IGNORECASE)
_SIZE: Final = re.compile(
    r"(\d[\d.,]{0,9}(?: ?[-–] ?\d[\d.,]{0,9})?\+?) ?"
    r"(?:employees|people|staff|mitarbeiter|empleados|employés|сотрудник|名|人|명)",
    re.IGNORECASE,
)


def said(chapter: Chapter, text: str, limit: int) -> list[str]:
    """Return up to ``limit`` statements that ``text`` speaks for, in the order of its words."""
    book = _phrasebook()[chapter]
    found = [(match.start(), statement) for statement, words in book.items() if (match := words.search(text))]
    return [statement for _, statement in sorted(found)[:limit]]


def company_size(text: str) -> str | None:
    """Return the number of employees that ``text`` names, in words."""
    match = _SIZE.search(text)
    return f"{match[1]} employees" if match else None


@cache
def _phrasebook() -> dict[str, dict[str, re.Pattern[str]]]:
    chapters = tomllib.loads((files(__package__) / "phrasebook.toml").read_text(encoding="utf-8"))
    return {
        chapter: {statement: _any_of(words) for statement, words in statements.items()}
        for chapter, statements in chapters.items()
    }


def _any_of(words: list[str]) -> re.Pattern[str]:
    parts = (rf"\b{word}" if _ALPHABETIC.match(word) else word for word in words)
    return re.compile("|".join(parts), re.IGNORECASE)
