"""A captured lead in, a profiled lead out."""

from collections.abc import Sequence
from functools import partial

from lead_ingestion.offline import research_stand_in
from lead_ingestion.report import Research
from signalbox_agent import Message, Work
from signalbox_agent.texts import as_data, instructions
from signalbox_agent.tools import CompanyResearch, Findings
from signalbox_contracts.sdr import Lead, LeadCaptured, LeadProfiled, Report, Source


class Ingestion:
    """Researches a lead: tools first, then the model writes the report."""

    def __init__(self, research: CompanyResearch) -> None:
        self._research = research

    async def profile(self, message: Message[LeadCaptured], work: Work) -> Sequence[LeadProfiled]:
        """Answer with the lead as it came and a report about it."""
        lead = message.record.lead
        findings = await self._research.about(email=lead.email, website=lead.company_website)
        completion = await work.model.complete(
            task="research",
            instructions=instructions(__package__, "research"),
            prompt=_prompt(lead, findings),
            output_type=Research,
            stand_in=partial(research_stand_in, lead, findings),
            check=lambda research: work.violation(_profiled(lead, research, findings)),
        )
        return [_profiled(lead, completion.output, findings)]


def _profiled(lead: Lead, research: Research, findings: Findings) -> LeadProfiled:
    return LeadProfiled(lead=lead, report=Report(**research.model_dump(), sources=_sources(findings)))


def _sources(findings: Findings) -> list[Source]:
    # Where something was really read, by the tools' word and not the model's.
    return [
        Source(kind=finding.kind, location=finding.location, retrieved_at=finding.retrieved_at)
        for finding in findings.found
    ]


def _prompt(lead: Lead, findings: Findings) -> str:
    return as_data(
        lead=lead.model_dump(mode="json", exclude={"lead_id"}),
        findings=findings.as_facts(),
        not_available=[f"{missing.kind}: {missing.why}" for missing in findings.missing],
    )
