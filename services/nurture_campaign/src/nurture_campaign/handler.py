"""A lead to nurture in, a drafted campaign out."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from nurture_campaign.draft import Draft
from nurture_campaign.library import Article, Library
from nurture_campaign.offline import draft_stand_in
from signalbox_agent import Message, Work
from signalbox_agent.texts import SenderSettings, addressed, as_data, instructions, problem_with
from signalbox_agent.tools import CompanyResearch, Findings
from signalbox_contracts.sdr import CampaignDrafted, CampaignType, Email, Lead, LeadScored

_ARTICLES: Final = 4
_SEARCH_LIMIT: Final = 1_000  # characters: enough words to tell the subject


class Nurture:
    """Writes a slow series of helpful mails around articles that fit the lead."""

    def __init__(self, research: CompanyResearch, library: Library, sender: SenderSettings) -> None:
        self._research = research
        self._library = library
        self._sender = sender

    async def draft(self, message: Message[LeadScored], work: Work) -> Sequence[CampaignDrafted]:
        """Answer with the lead as it came and mails to its own address."""
        scored = message.record
        lead = scored.lead
        findings = await self._research.about(email=lead.email, website=lead.company_website)
        articles = await self._library.articles_for(_subject_of(scored), _ARTICLES)
        facts = _facts(articles)
        completion = await work.model.complete(
            task="nurture",
            instructions=instructions(__package__, "nurture").format_map(self._sender.words),
            prompt=_prompt(scored, findings, articles),
            output_type=Draft,
            stand_in=partial(draft_stand_in, scored, articles, self._sender),
            check=lambda draft: (
                problem_with(draft.mails, self._sender.site, facts, (lead.name, lead.company_name))
                or work.violation(_campaign(lead, draft))
            ),
        )
        return [_campaign(lead, completion.output)]


def _subject_of(scored: LeadScored) -> str:
    words = [*scored.talking_points, scored.lead.project_description or "", scored.lead.job_title]
    return " ".join(words)[:_SEARCH_LIMIT]


def _facts(articles: Sequence[Article]) -> str:
    """Return all that is true of us: what no mail may add to."""
    return "\n".join([instructions(__package__, "about_us"), *(article.text for article in articles)])


def _campaign(lead: Lead, draft: Draft) -> CampaignDrafted:
    return CampaignDrafted(
        lead=lead,
        campaign_type=CampaignType.NURTURE,
        emails=addressed(draft.mails, lead.email, Email),
    )


def _prompt(scored: LeadScored, findings: Findings, articles: Sequence[Article]) -> str:
    return as_data(
        about_us=instructions(__package__, "about_us"),
        articles=[
            {"title": article.title, "address": article.address, "kind": article.kind, "text": article.text}
            for article in articles
        ],
        lead=scored.lead.model_dump(mode="json", exclude={"lead_id", "email"}),
        judgement=scored.model_dump(mode="json", exclude={"lead"}),
        findings=findings.as_facts(),
    )
