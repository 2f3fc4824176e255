"""Texts for the model: instructions from files, and foreign text fenced off as data."""

import json
from functools import cache
from importlib.resources import files
from typing import Any, Final

_TEXT_LIMIT: Final = 4_000
_LIST_LIMIT: Final = 20


@cache
def instructions(package: str, name: str) -> str:
    """Read ``prompts/<name>.md`` of ``package``; from the disk once only, since every message needs it."""
    return (files(package) / "prompts" / f"{name}.md").read_text(encoding="utf-8")


def as_data(**parts: Any) -> str:
    """Write each part as JSON between tags that its text can't close.

    What strangers typed stays recognizable as data: ``<`` is escaped, long texts and lists are cut.
    """
    return "\n\n".join(f'<data name="{name}">\n{_fenced(part)}\n</data>' for name, part in parts.items())


def _fenced(part: Any) -> str:
    return json.dumps(_capped(part), ensure_ascii=False, indent=1, default=str).replace("<", "\\u003c")


def _capped(part: Any) -> Any:
    match part:
        case str() if len(part) > _TEXT_LIMIT:
            return f"{part[:_TEXT_LIMIT]}… (cut)"
        case dict():
            return {key: _capped(value) for key, value in part.items()}
        case list() | tuple():
            return [_capped(value) for value in part[:_LIST_LIMIT]]
        case _:
            return part
