"""A lead to engage in, a drafted campaign out."""

from collections.abc import Sequence
from functools import partial

from active_outreach.draft import Draft
from active_outreach.offline import draft_stand_in
from signalbox_agent import Message, Work
from signalbox_agent.texts import SenderSettings, addressed, as_data, instructions, problem_with
from signalbox_agent.tools import CompanyResearch, Findings
from signalbox_contracts.sdr import CampaignDrafted, CampaignType, Email, Lead, LeadScored


class Outreach:
    """Writes a short personal sequence that leads to a first call."""

    def __init__(self, research: CompanyResearch, sender: SenderSettings) -> None:
        self._research = research
        self._sender = sender

    async def draft(self, message: Message[LeadScored], work: Work) -> Sequence[CampaignDrafted]:
        """Answer with the lead as it came and mails to its own address."""
        scored = message.record
        lead = scored.lead
        findings = await self._research.about(email=lead.email, website=lead.company_website)
        facts = instructions(__package__, "about_us")
        completion = await work.model.complete(
            task="outreach",
            instructions=instructions(__package__, "outreach").format_map(self._sender.words),
            prompt=_prompt(scored, findings),
            output_type=Draft,
            stand_in=partial(draft_stand_in, scored, self._sender),
            check=lambda draft: (
                problem_with(draft.mails, self._sender.site, facts, (lead.name, lead.company_name))
                or work.violation(_campaign(lead, draft))
            ),
        )
        return [_campaign(lead, completion.output)]


def _campaign(lead: Lead, draft: Draft) -> CampaignDrafted:
    return CampaignDrafted(
        lead=lead,
        campaign_type=CampaignType.ACTIVE_OUTREACH,
        emails=addressed(draft.mails, lead.email, Email),
    )


def _prompt(scored: LeadScored, findings: Findings) -> str:
    return as_data(
        about_us=instructions(__package__, "about_us"),
        lead=scored.lead.model_dump(mode="json", exclude={"lead_id", "email"}),
        judgement=scored.model_dump(mode="json", exclude={"lead"}),
        findings=findings.as_facts(),
    )
