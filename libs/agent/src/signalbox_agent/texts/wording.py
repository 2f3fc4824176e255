"""Foreign text made fit for use inside our own sentences: one line, no links, no odd signs, not too long."""

import re
from typing import Final

from signalbox_agent.texts.clickable import without_links
from signalbox_agent.texts.hidden import without_hidden

_BLANKS: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_SIGNS: Final = re.compile(r"[\[\]{}<>|\\`*_~#$^]+|%(?=[\w(])|&#?\w{1,12};")
_LONGEST: Final = 4_000


def plain(text: str | None, limit: int) -> str:
    """Return ``text`` on one line without links and markup, cut at a word within ``limit`` characters."""
    return _fit((text or "")[:_LONGEST], limit, spoken=False)


def name_of(text: str, limit: int = 60) -> str:
    """Return a name of a person or company; one called after its domain keeps the words, not the dot."""
    return _fit(re.sub(r"(?i)https?:/*|www\.", " ", text[:_LONGEST]), limit, spoken=True)


def one_line(text: str, limit: int) -> str:
    """Return ``text`` on one line within ``limit`` characters, otherwise as it is."""
    flat = _BLANKS.sub(" ", text.encode("utf-8", "ignore").decode()).strip()
    return flat if len(flat) <= limit else _cut(flat, limit)


def _fit(text: str, limit: int, *, spoken: bool) -> str:
    seen = without_hidden(text.encode("utf-8", "ignore").decode())
    # The signs go last: what is between them may be a link, and without them two words may become one.
    flat = _BLANKS.sub(" ", _SIGNS.sub(" ", without_links(seen, spoken=spoken))).strip()
    flat = _BLANKS.sub(" ", without_links(flat, spoken=spoken)).strip()
    return flat if len(flat) <= limit else _cut(flat, limit)


def _cut(text: str, limit: int) -> str:
    head = text[: limit - 1]
    # Scripts without spaces have no word to cut at.
    words = head.rpartition(" ")[0] if " " in head[limit // 2 :] else head
    return f"{words.rstrip(' ,;:.-–')}…"
