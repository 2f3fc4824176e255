"""Our own articles: found by content search, and cited with title and address."""

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from signalbox_agent.tools import ContentLibrary, Finding, NotAvailable, ToolSettings

OWN_CONTENT: Final = Path(__file__).with_name("content")
_FRONT_MATTER: Final = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_ENTRY: Final = re.compile(r'^(\w+): *"?(.*?)"?$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Article:
    """One page of the library. ``kind`` is what it is: guide, case study, article."""

    title: str
    address: str
    kind: str
    text: str


class Library:
    """Searches the folder of ``CONTENT_DIR``, or the articles that come with this service."""

    def __init__(self, settings: ToolSettings) -> None:
        self._folder = settings.content_dir or OWN_CONTENT
        self._search = ContentLibrary(settings.model_copy(update={"content_dir": self._folder}))

    async def articles_for(self, words: str, limit: int) -> list[Article]:
        """Return the articles that fit ``words`` best, the best first."""
        found = await self._search.search(words, limit=limit)
        if isinstance(found, NotAvailable):
            return []
        articles = await asyncio.to_thread(lambda: [self._article(finding) for finding in found])
        return [article for article in articles if article is not None]

    def _article(self, finding: Finding) -> Article | None:
        """Read a found page as a whole; its front matter says the address under which readers find it."""
        try:
            text = (self._folder / finding.location).read_text(encoding="utf-8", errors="replace")
        except OSError:  # it was there when it was found
            return None
        head = _FRONT_MATTER.match(text)
        entries = dict(_ENTRY.findall(head[1] if head else ""))
        return Article(
            title=entries.get("title") or finding.title,
            address=entries.get("url", ""),
            kind=entries.get("kind", "article"),
            text=(text[head.end() :] if head else text).strip(),
        )
