"""What can be looked up about a lead's company before writing, asked at the same time."""

import asyncio
from typing import Any

from signalbox.tools import Directory, Finding, ToolSettings, Website
from signalbox_contracts.sdr import Lead


class Desk:
    """Company website, CRM, enrichment, public profiles; a mail can do without what is not available."""

    def __init__(self, settings: ToolSettings) -> None:
        self._website = Website(settings)
        self._crm = Directory.crm(settings)
        self._enrichment = Directory.enrichment(settings)
        self._social = Directory.social(settings)

    async def research(self, lead: Lead) -> tuple[Finding, ...]:
        """Return what was found."""
        answers = await asyncio.gather(
            self._website.fetch(lead.company_website),
            self._crm.find(company=lead.company_name, email=lead.email),
            self._enrichment.find(company=lead.company_name, email=lead.email),
            self._social.find(company=lead.company_name, email=lead.email),
        )
        return tuple(answer for answer in answers if isinstance(answer, Finding))


def as_facts(findings: tuple[Finding, ...]) -> list[dict[str, Any]]:
    """Return findings as plain values for the prompt."""
    return [
        {"kind": finding.kind, "title": finding.title, "text": finding.text, "facts": dict(finding.facts)}
        for finding in findings
    ]
