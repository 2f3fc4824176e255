"""Search in the pages that the company itself wrote: case studies, guides, product pages."""

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from signalbox_agent.tools.findings import Finding, NotAvailable, found_or_not
from signalbox_agent.tools.settings import ToolSettings

KIND: Final = "content"
_SUFFIXES: Final = frozenset({".md", ".markdown", ".txt"})
_FILE_LIMIT: Final = 1024 * 1024
_MOST_FILES: Final = 2_000
_FRONT_MATTER: Final = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_TITLE: Final = re.compile(r'^title: *"?(.+?)"?$', re.MULTILINE)
_HEADING: Final = re.compile(r"^#\s+(.+)$", re.MULTILINE)
_EXCERPT_LIMIT: Final = 600
_WORDS_LIMIT: Final = 4_000
_TITLE_WEIGHT: Final = 3
_SHORTEST_WORD: Final = 3

_INDEX: Final = "CREATE VIRTUAL TABLE pages USING fts5(title, text, tokenize = 'porter unicode61')"
_ADDED: Final = "INSERT INTO pages (rowid, title, text) VALUES (?, ?, ?)"
_BEST: Final = "SELECT rowid FROM pages WHERE pages MATCH ? ORDER BY bm25(pages, ?), rowid LIMIT ?"


class _Page(NamedTuple):
    location: str
    title: str
    text: str


class ContentLibrary:
    """Searches a folder of Markdown and text pages by words (SQLite FTS5). Pages are read at each search."""

    def __init__(self, settings: ToolSettings) -> None:
        self._folder = settings.content_dir

    async def search(self, words: str, *, limit: int = 3) -> tuple[Finding, ...] | NotAvailable:
        """Return up to ``limit`` pages that fit ``words`` best, the best first."""
        if self._folder is None:
            return NotAvailable(KIND, "", "CONTENT_DIR is not set")
        if not self._folder.is_dir():
            return NotAvailable(KIND, str(self._folder), "is no folder")
        search = asyncio.to_thread(_search, self._folder, words[:_WORDS_LIMIT], limit)
        return await found_or_not(KIND, str(self._folder), search)


def _search(folder: Path, words: str, limit: int) -> tuple[Finding, ...] | NotAvailable:
    wanted, pages = _words(words), list(_pages(folder))
    with closing(sqlite3.connect(":memory:")) as index:
        index.execute(_INDEX)
        rows = ((row, _folded(page.title), _folded(page.text)) for row, page in enumerate(pages))
        index.executemany(_ADDED, rows)
        asked = " OR ".join(f'"{word}"' for word in sorted(wanted)) or '""'
        best = [pages[row] for (row,) in index.execute(_BEST, (asked, _TITLE_WEIGHT, limit))]
    if not best:
        return NotAvailable(KIND, str(folder), f"none of its {len(pages)} pages has these words")
    return tuple(Finding(KIND, page.location, _excerpt(page.text, wanted), title=page.title) for page in best)


def _folded(text: str) -> str:
    # A file's name may be in no encoding, and a page's title may be its name.
    return text.encode("utf-8", "replace").decode().casefold()


def _pages(folder: Path) -> Iterator[_Page]:
    root = folder.resolve()
    files = sorted(path for path in root.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
    return (page for path in files[:_MOST_FILES] if (page := _page(root, path)) is not None)


def _page(root: Path, path: Path) -> _Page | None:
    try:
        # A link may lead out of the folder; what is there was not meant to be shown.
        if not path.resolve().is_relative_to(root) or path.stat().st_size > _FILE_LIMIT:
            return None
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        return None
    front = _FRONT_MATTER.match(text)
    heading = _TITLE.search(front[1] if front else "") or _HEADING.search(text)
    title = heading[1].strip() if heading else path.stem.replace("-", " ").replace("_", " ")
    text = text[front.end() :] if front else text
    return _Page(path.relative_to(root).as_posix(), title, text)


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", _folded(text)) if len(word) >= _SHORTEST_WORD}


def _excerpt(text: str, wanted: set[str]) -> str:
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip()]
    prose = [part for part in paragraphs if not part.startswith("#")] or paragraphs
    best = max(prose, key=lambda part: len(wanted & _words(part)), default="")
    return best[:_EXCERPT_LIMIT]
