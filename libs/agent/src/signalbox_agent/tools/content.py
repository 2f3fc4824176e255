"""Search in the pages that the company itself wrote: case studies, guides, product pages."""

import asyncio
import math
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Final

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

# Okapi BM25's usual constants: how soon a repeated word stops counting, and how much length matters.
_K1: Final = 1.5
_B: Final = 0.75


@dataclass(frozen=True, slots=True)
class _Page:
    location: str
    title: str
    text: str
    words: Counter[str]

    @property
    def length(self) -> int:
        return self.words.total()


class ContentLibrary:
    """Searches a folder of Markdown and text pages by words (Okapi BM25). Pages are read at each search."""

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
    wanted = set(_words(words))
    pages = _pages(folder)
    scored = [(score, page) for page in pages if (score := _score(page, wanted, pages)) > 0]
    scored.sort(key=lambda entry: (-entry[0], entry[1].location))
    if not scored:
        return NotAvailable(KIND, str(folder), f"none of its {len(pages)} pages has these words")
    return tuple(
        Finding(KIND, page.location, _excerpt(page.text, wanted), title=page.title)
        for _, page in scored[:limit]
    )


def _pages(folder: Path) -> list[_Page]:
    root = folder.resolve()
    files = sorted(path for path in root.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
    return [page for path in files[:_MOST_FILES] if (page := _page(root, path)) is not None]


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
    words = Counter(_words(text))
    words.update(_words(title) * _TITLE_WEIGHT)
    return _Page(path.relative_to(root).as_posix(), title, text, words)


def _words(text: str) -> list[str]:
    return [_singular(word) for word in re.findall(r"\w+", text.casefold()) if len(word) >= _SHORTEST_WORD]


def _singular(word: str) -> str:
    # Enough for a few pages: companies and company, systems and system are one word; process stays itself.
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _score(page: _Page, wanted: set[str], pages: list[_Page]) -> float:
    mean = sum(other.length for other in pages) / len(pages)
    return sum(
        _rarity(word, pages)
        * page.words[word]
        * (_K1 + 1)
        / (page.words[word] + _K1 * (1 - _B + _B * page.length / mean))
        for word in wanted & page.words.keys()
    )


def _rarity(word: str, pages: list[_Page]) -> float:
    having = sum(word in page.words for page in pages)
    return math.log(1 + (len(pages) - having + 0.5) / (having + 0.5))


def _excerpt(text: str, wanted: set[str]) -> str:
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", text) if part.strip()]
    prose = [part for part in paragraphs if not part.startswith("#")] or paragraphs
    best = max(prose, key=lambda part: len(wanted & set(_words(part))), default="")
    return best[:_EXCERPT_LIMIT]
