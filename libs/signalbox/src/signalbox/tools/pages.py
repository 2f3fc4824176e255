"""The text that a person would read on a page."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

TEXT_LIMIT: Final = 8_000
"""The most characters of a page that a prompt gets."""

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
    parser = _Text()
    parser.feed(decoded)
    return Page(_tidy("".join(parser.title))[:200], _tidy("".join([*parser.description, *parser.text])))


def _decoded(body: bytes, charset: str | None) -> str:
    declared = _DECLARED.search(body[:4096])
    for name in (charset, declared and declared[1].decode("ascii")):
        try:
            if name:
                return body.decode(name, errors="replace")
        except LookupError:  # no text encoding that is known here
            continue
    return body.decode(errors="replace")


def _tidy(text: str) -> str:
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line)[:TEXT_LIMIT]


@dataclass
class _Text(HTMLParser):
    title: list[str] = field(default_factory=list)
    description: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._unread = 0
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unread += tag in _UNREAD
        self._in_title = tag == "title"
        if tag in _BLOCKS:
            self.text.append("\n")
        named = dict(attrs)
        if tag == "meta" and (named.get("name") or "").lower() == "description":
            self.description.append((named.get("content") or "") + "\n")

    def handle_endtag(self, tag: str) -> None:
        self._unread = max(0, self._unread - (tag in _UNREAD))
        self._in_title = False
        if tag in _BLOCKS:
            self.text.append("\n")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title.append(data)
        elif not self._unread:
            self.text.append(data)
