"""Characters that a reader does not see: they part what looks whole, or turn round what is read."""

import re
import unicodedata
from typing import Final

_JOINERS: Final = frozenset("\u200c\u200d")
"""Scripts of India and of Arabic, and families of emoji, are written with these between two characters."""
_BLANKS: Final = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]))
)
"""No format characters by their category, and yet nothing is to be seen: fillers, variation selectors."""
_KEPT: Final = frozenset("\ufe0f")
"""Emoji are written with it; it changes a sign's colour alone."""
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co"})
_LAYOUT: Final = frozenset("\t\n\r")
_NOTHING_HIDDEN: Final = re.compile(r"[\t\n\r\x20-\x7e]*")


def without_hidden(text: str) -> str:
    """Return ``text`` without format, bidirectional, zero-width, tag, private and control characters.

    Surrogates go, too; tabs and line breaks stay.

    Joiners stay between two characters that are not ASCII: Persian and Hindi need them, as emoji do.
    """
    if _NOTHING_HIDDEN.fullmatch(text):
        return text
    return "".join(
        character
        for place, character in enumerate(text)
        if not is_hidden(character) or character in _KEPT or (character in _JOINERS and _joins(text, place))
    )


def is_hidden(character: str) -> bool:
    """Say whether nothing is to be seen of a character, although it may change what is seen beside it."""
    return character in _BLANKS or (unicodedata.category(character) in _UNSEEN and character not in _LAYOUT)


def without_any_hidden(text: str, instead: str = "") -> str:
    """Return ``text`` with ``instead`` for every hidden character, joiners among them."""
    if _NOTHING_HIDDEN.fullmatch(text):
        return text
    return "".join(instead if is_hidden(one) else one for one in text)


def _joins(text: str, place: int) -> bool:
    beside = text[place - 1 : place] if place else "", text[place + 1 : place + 2]
    return all(one and not one.isascii() and not one.isspace() and one not in _JOINERS for one in beside)
