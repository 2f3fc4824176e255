"""The three places where a lead's company is looked up, asked at the same time."""

import asyncio
from dataclasses import dataclass
from typing import Any

from signalbox.tools import Directory, Finding, NotAvailable, ToolSettings, Website
from signalbox_contracts.sdr import Lead, Source


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found, and what was not, with the reasons."""

    found: tuple[Finding, ...] = ()
    missing: tuple[NotAvailable, ...] = ()

    def sources(self) -> list[Source]:
        """Return where the findings come from, for the report."""
        return [
            Source(kind=finding.kind, location=finding.location, retrieved_at=finding.retrieved_at)
            for finding in self.found
        ]

    def as_facts(self) -> list[dict[str, Any]]:
        """Return the findings as plain values for the prompt."""
        return [
            {"kind": finding.kind, "title": finding.title, "text": finding.text, "facts": dict(finding.facts)}
            for finding in self.found
        ]


class Desk:
    """The research desk: company website, CRM, enrichment."""

    def __init__(self, settings: ToolSettings) -> None:
        self._website = Website(settings)
        self._crm = Directory.crm(settings)
        self._enrichment = Directory.enrichment(settings)

    async def research(self, lead: Lead) -> Findings:
        """Ask every tool; what is not available is part of the answer."""
        answers = await asyncio.gather(
            self._website.fetch(lead.company_website),
            self._crm.find(company=lead.company_name, email=lead.email),
            self._enrichment.find(company=lead.company_name, email=lead.email),
        )
        return Findings(
            found=tuple(answer for answer in answers if isinstance(answer, Finding)),
            missing=tuple(answer for answer in answers if isinstance(answer, NotAvailable)),
        )
