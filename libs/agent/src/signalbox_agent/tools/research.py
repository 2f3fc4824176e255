"""Several tools about one company, asked at the same time."""

import asyncio
from dataclasses import dataclass
from typing import Any, Self

from signalbox_agent.tools.findings import Finding, NotAvailable
from signalbox_agent.tools.lookup import Directory
from signalbox_agent.tools.settings import ToolSettings
from signalbox_agent.tools.website import Website


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found, and what was not, with the reasons."""

    found: tuple[Finding, ...] = ()
    missing: tuple[NotAvailable, ...] = ()

    def as_facts(self) -> list[dict[str, Any]]:
        """Return what was found as plain values for a prompt."""
        return [
            {"kind": finding.kind, "title": finding.title, "text": finding.text, "facts": dict(finding.facts)}
            for finding in self.found
        ]


class CompanyResearch:
    """The company's website and ``directories``; work can go on without what is not available."""

    def __init__(self, website: Website, *directories: Directory) -> None:
        self._website = website
        self._directories = directories

    @classmethod
    def by_all(cls, settings: ToolSettings) -> Self:
        """Ask the website and every directory that there is."""
        directories = (Directory.crm, Directory.enrichment, Directory.social)
        return cls(Website(settings), *(directory(settings) for directory in directories))

    async def about(self, *, email: str, website: str | None) -> Findings:
        """Ask every tool; what is not available is part of the answer.

        What is known of a company is told to people with an address at its domain alone.
        """
        answers = await asyncio.gather(
            self._website.fetch(website),
            *(directory.find(email=email) for directory in self._directories),
        )
        return Findings(
            found=tuple(answer for answer in answers if isinstance(answer, Finding)),
            missing=tuple(answer for answer in answers if isinstance(answer, NotAvailable)),
        )
