"""Text that can be written anywhere: what UTF-8 can't hold, or would steer a terminal, becomes an escape."""

import json
import re
from typing import Any, Final

_UNSEEN: Final = re.compile(r"[^ -~]")
_LINES: Final = frozenset("\n\t")


def printable(text: str) -> str:
    """Return ``text`` with each lone surrogate written as its escape, so that it can be encoded."""
    return text.encode("utf-8", "backslashreplace").decode()


def visible(text: str) -> str:
    """Return ``text`` with every character that is not seen written as its escape, but line ends and tabs.

    Control characters of both sets, and those that reorder or hide text, are Unicode's categories C and Z.
    """
    return _UNSEEN.sub(lambda found: _escaped(found[0], ascii), text)


def visible_json(value: object, **options: Any) -> str:
    """Write ``value`` as JSON that is safe on a terminal and is read back as the same value."""
    text = json.dumps(value, ensure_ascii=False, **options)
    return _UNSEEN.sub(lambda found: _escaped(found[0], json.dumps), text)


def bounded(text: str, limit: int) -> str:
    """Return ``text`` printable, and with at most ``limit`` characters: what is cut ends in an ellipsis."""
    whole = printable(text[: limit + 1])
    return whole if len(whole) <= limit else whole[: limit - 1] + "…"


def quoted(value: bytes, limit: int) -> str:
    """Return foreign bytes as at most ``limit`` characters of text, whatever they are."""
    # No character of UTF-8 has more than four bytes, so what is behind these is cut anyway.
    return bounded(value[: 4 * (limit + 1)].decode(errors="replace"), limit)


def _escaped(character: str, quote: Any) -> str:
    if character.isprintable() or character in _LINES:
        return character
    escape: str = quote(character)[1:-1]
    return escape
