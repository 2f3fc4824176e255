"""Foreign text made fit for use inside our own sentences: one line, no links, no odd signs, not too long."""

import re
from typing import Final

_BLANKS: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]+")
_LINKS: Final = re.compile(
    r"(?i)\b(?:https?://|www\.)\S+|\S{1,64}@\S+|\b[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*\.[a-z]{2,12}/\S*"
)
_SIGNS: Final = re.compile(r"[\[\]{}<>|\\`*_~#]+")
_LONGEST: Final = 4_000


def plain(text: str | None, limit: int) -> str:
    """Return ``text`` on one line without links and markup, cut at a word within ``limit`` characters."""
    head = (text or "")[:_LONGEST].encode("utf-8", "ignore").decode()
    flat = _BLANKS.sub(" ", _SIGNS.sub(" ", _LINKS.sub(" ", head))).strip()
    return flat if len(flat) <= limit else _cut(flat, limit)


def name_of(text: str, limit: int = 60) -> str:
    """Return a name of a person or company; a company called after its domain keeps it."""
    return plain(re.sub(r"(?i)https?://|www\.", "", text[:_LONGEST]), limit)


def one_line(text: str, limit: int) -> str:
    """Return ``text`` on one line within ``limit`` characters, otherwise as it is."""
    flat = _BLANKS.sub(" ", text.encode("utf-8", "ignore").decode()).strip()
    return flat if len(flat) <= limit else _cut(flat, limit)


def _cut(text: str, limit: int) -> str:
    head = text[: limit - 1]
    # Scripts without spaces have no word to cut at.
    words = head.rpartition(" ")[0] if " " in head[limit // 2 :] else head
    return f"{words.rstrip(' ,;:.-–')}…"
