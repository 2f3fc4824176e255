"""The text that a person would read on a page.

libxml2 reads the page, by HTML5's rules for tokens, and tells its parts one after another: no tree is built,
so no nesting and no number of attributes makes it slow, and nothing in a page is an error to it.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import webencodings
from lxml import etree

from signalbox_agent.texts import without_hidden

TEXT_LIMIT: Final = 8_000
"""The most characters of a page that a prompt gets."""
TIME_LIMIT_S: Final = 1.0
"""What is not read after this time is left out."""

_CHUNK: Final = 16 * 1024
_UNREAD: Final = frozenset({"script", "style", "noscript", "template", "svg", "iframe", "object"})
_BLOCKS: Final = frozenset(
    {"p", "div", "br", "li", "tr", "section", "article", "header", "footer", "h1", "h2", "h3", "h4", "title"}
)
_DECLARED: Final = re.compile(rb"""<meta[^>]{0,200}charset\s*=\s*["']?([A-Za-z0-9_-]{1,40})""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Page:
    """A page's title and text; both may be empty."""

    title: str
    text: str


def page_text(body: bytes, charset: str | None, *, html: bool) -> Page:
    """Strip the tags of ``body``, which may be cut off anywhere; text is cut at 8,000 characters."""
    decoded = _decoded(body, charset).replace("\x00", "")
    if not html:
        return Page("", _tidy(decoded))
    parts = _parts(decoded)
    return Page(_tidy("".join(parts.title))[:200], _tidy("".join([*parts.description, *parts.text])))


def _parts(text: str) -> "_Parts":
    """Read until the end, until there is more than a prompt gets, or until the time is over."""
    parts = _Parts()
    parser = etree.HTMLParser(target=parts, recover=True, huge_tree=False, encoding="utf-8")
    encoded = text.encode("utf-8", "replace")
    ends = time.monotonic() + TIME_LIMIT_S
    try:
        for start in range(0, len(encoded), _CHUNK):
            parser.feed(encoded[start : start + _CHUNK])
            if time.monotonic() > ends:
                break
        parser.close()
    except (etree.LxmlError, AssertionError):  # such as a page without a single tag; what was read counts
        pass
    return parts


def _decoded(body: bytes, charset: str | None) -> str:
    """Decode by the mark at its start, else as declared, else as UTF-8.

    Only encodings of the web are known here (WHATWG Encoding Standard). Python knows others under such
    names, some of which are no encodings of texts (bz2), or take seconds for a page (punycode).
    """
    declared = _DECLARED.search(body[:4096])
    for label in (charset, declared and declared[1].decode("ascii")):
        if label and (encoding := webencodings.lookup(label)) is not None:
            return str(webencodings.decode(body, encoding, errors="replace")[0])
    return str(webencodings.decode(body, webencodings.UTF8, errors="replace")[0])


def _tidy(text: str) -> str:
    lines = (" ".join(line.split()) for line in without_hidden(text).splitlines())
    return "\n".join(line for line in lines if line)[:TEXT_LIMIT]


@dataclass
class _Parts:
    """What libxml2 tells of a page, by the names that lxml calls."""

    title: list[str] = field(default_factory=list)
    description: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    _unread: int = 0
    _in_title: bool = False

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._unread += tag in _UNREAD
        self._in_title = tag == "title" and not self._unread
        if tag in _BLOCKS:
            self.text.append("\n")
        if tag == "meta" and (attributes.get("name") or "").lower() == "description":
            self.description.append((attributes.get("content") or "") + "\n")

    def end(self, tag: str) -> None:
        self._unread = max(0, self._unread - (tag in _UNREAD))
        self._in_title = False
        if tag in _BLOCKS:
            self.text.append("\n")

    def data(self, text: str) -> None:
        if self._in_title:
            self.title.append(text)
        elif not self._unread:
            self.text.append(text)

    def comment(self, text: str) -> None:
        """Leave comments out."""

    def pi(self, target: str, data: str | None = None) -> None:
        """Leave processing instructions out."""

    def close(self) -> None:
        """Nothing is left open."""
