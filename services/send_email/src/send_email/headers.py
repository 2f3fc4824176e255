"""Header values that no program has to fold or guess at.

The standard library folds a long display name without its quotes, so its commas become recipients. Here a
value is folded only between encoded words, where readers drop the blank, and at the blanks of plain text.
"""

import re
import unicodedata
from collections.abc import Iterator
from email.base64mime import header_encode as by_base64
from email.quoprimime import header_encode as by_letters
from typing import Final

_BREAKS: Final = re.compile(r"[ \t]*[\x00-\x1f\x7f-\x9f\u2028\u2029][\x00-\x20\x7f-\x9f\u2028\u2029]*")
_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9'-]+(?: [A-Za-z0-9'-]+)*")
_QUOTABLE: Final = re.compile(r"(?!.*=\?)[\x20-\x7e]+")
_PLAIN_TEXT: Final = re.compile(r"[\x21-\x7e]{1,60}(?: [\x21-\x7e]{1,60})*")
_WORD_LIMIT: Final = 75  # an encoded word's length, RFC 2047 section 2
_OCTETS_A_WORD: Final = 45  # what Base64 makes 60 characters of
_LINE: Final = 76
_NAME_LIMIT: Final = 120


def one_line(text: str, limit: int) -> str:
    """Return ``text`` on one line, at most ``limit`` characters, cut with an ellipsis.

    Line breaks and control characters, with the blanks around them, become one blank; other blanks stay.
    """
    flat = _BREAKS.sub(" ", without_halves(text)).strip()
    return flat if len(flat) <= limit else f"{flat[: limit - 1].rstrip()}…"


def without_halves(text: str) -> str:
    """Return ``text`` with U+FFFD for each half of a surrogate pair, which UTF-8 can't carry."""
    return re.sub(r"[\ud800-\udfff]", "\ufffd", text)


def shown_name(name: str) -> str:
    """Return the display name that can be written safely, or nothing.

    Outside ASCII it has to fit into one encoded word, because readers disagree on the blanks between two. And
    it must not hold an @: whatever a careless relay makes of it, it is then no address.
    """
    flat = re.sub(r"\s{2,}", " ", one_line(name, _NAME_LIMIT))  # some readers make one blank of several
    if not flat or "@" in unicodedata.normalize("NFKC", flat):
        return ""
    return flat if _QUOTABLE.fullmatch(flat) or len(_shortest_word(flat)) <= _WORD_LIMIT else ""


def phrase(name: str) -> str:
    """Write a display name that :func:`shown_name` returned: words, a quoted string, or one encoded word."""
    if _PLAIN_NAME.fullmatch(name):
        return name
    if _QUOTABLE.fullmatch(name):
        return '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'
    return _shortest_word(name)


def unstructured(header: str, text: str) -> str:
    """Write one line of text as the value of ``header``; what looks like an encoded word is encoded."""
    if "=?" not in text and _PLAIN_TEXT.fullmatch(text):
        return _folded(header, text.split(" "))
    return "\r\n ".join(by_base64(piece, "utf-8") for piece in _pieces(text))


def _shortest_word(text: str) -> str:
    octets = text.encode()
    return min(by_letters(octets, "utf-8"), by_base64(octets, "utf-8"), key=len)


def _pieces(text: str) -> Iterator[bytes]:
    """Cut between characters, never inside one (RFC 2047 section 5)."""
    piece = b""
    for character in text:
        octets = character.encode()
        if len(piece) + len(octets) > _OCTETS_A_WORD:
            yield piece
            piece = b""
        piece += octets
    yield piece


def _folded(header: str, words: list[str]) -> str:
    lines = [words[0]]
    for word in words[1:]:
        room = _LINE - (len(header) + 2 if len(lines) == 1 else 1)
        if len(lines[-1]) + 1 + len(word) <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return "\r\n ".join(lines)
