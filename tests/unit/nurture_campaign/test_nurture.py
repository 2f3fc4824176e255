import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from handling import must_heed_the_contract_in_force
from nurture_campaign.agent import make_agent
from nurture_campaign.library import OWN_CONTENT, Library
from nurture_campaign.offline import draft_stand_in
from signalbox_agent import Agent, Message, Work
from signalbox_agent.contracts import OwnContracts
from signalbox_agent.texts import SenderSettings, problem_with, unfit
from signalbox_agent.tools import ToolSettings
from signalbox_contracts.sdr import CampaignDrafted, CampaignType, Lead, LeadScored, NextStep

ROOT = Path(__file__).parents[3]
MakeLead = Callable[..., Lead]
MakeMessage = Callable[..., Message[Any]]


def scored(lead: Lead, *points: str) -> LeadScored:
    step = NextStep.NURTURE
    return LeadScored(lead=lead, score=40, next_step=step, talking_points=list(points), rationale="r")


async def drafted(
    record: LeadScored, message: MakeMessage, work: Work, settings: ToolSettings | None = None
) -> CampaignDrafted:
    (campaign,) = await make_agent(settings).handle(message(record), work)
    assert isinstance(campaign, CampaignDrafted)
    return campaign


async def test_four_or_five_mails_over_weeks_cite_articles_that_fit(
    a_lead: MakeLead, message: MakeMessage, work: Work, contracts: OwnContracts
) -> None:
    campaign = await drafted(scored(a_lead(), "reports that are put together by hand"), message, work)
    assert campaign.lead == a_lead()
    assert campaign.campaign_type is CampaignType.NURTURE
    assert [mail.send_after_hours for mail in campaign.emails] == [0, 168, 504, 840, 1344]
    assert {mail.to for mail in campaign.emails} == {"anna@bergwerk.example"}
    assert "https://larkspan.example/library/hand-made-reports" in campaign.emails[0].body
    cited = [
        line for mail in campaign.emails for line in mail.body.splitlines() if line.startswith("https://")
    ]
    assert len(cited) == len(set(cited)) == 4
    assert all("Bergwerk Logistik GmbH" in mail.body for mail in campaign.emails)
    assert contracts.violation(campaign) is None


async def test_without_articles_there_are_still_four_mails_worth_reading(
    a_lead: MakeLead, message: MakeMessage, work: Work, contracts: OwnContracts, tmp_path: Path
) -> None:
    campaign = await drafted(scored(a_lead()), message, work, ToolSettings(content_dir=tmp_path))
    assert len(campaign.emails) == 4
    assert contracts.violation(campaign) is None
    assert not any("$" in mail.body or "https://" in mail.body for mail in campaign.emails)


async def test_pages_that_are_not_under_our_site_are_not_cited(
    a_lead: MakeLead, message: MakeMessage, work: Work, tmp_path: Path
) -> None:
    page = '---\ntitle: "Reports"\nurl: https://elsewhere.example/x\n---\n\n# Reports\n\nReports by hand.\n'
    (tmp_path / "page.md").write_text(page, encoding="utf-8")
    campaign = await drafted(scored(a_lead(), "reports"), message, work, ToolSettings(content_dir=tmp_path))
    assert not any("elsewhere" in mail.body for mail in campaign.emails)


@pytest.mark.parametrize(
    "changes",
    [
        {"project_description": None},
        {"name": "佐藤 花子", "company_name": "株式会社さくら", "project_description": "在庫データの連携"},
        {"name": "a\nBcc: x@y.example", "company_name": "Evil\r\nSubject: x"},
        {"name": "x" * 9000, "company_name": "y " * 9000, "project_description": "z" * 200_000},
        {"name": "$them ${us} {name}", "company_name": "[Company Name]", "project_description": "{{ x }}"},
        {"project_description": "see https://evil.example/ and www.evil.example"},
        {"name": "Ada call 0900 123 456", "company_name": "evil.example", "job_title": "+49 30 1234567"},
        {"name": "ｅｖｉｌ．ｅｘａｍｐｌｅ", "company_name": "mailto:me@evil.example"},
        {"name": "h\u200bttps://evil.example", "company_name": "\u202eevil.example", "job_title": "%NAME%"},
        {"project_description": "You get a 90 % discount, and 500 EUR, guaranteed."},
    ],
)
async def test_whatever_a_lead_typed_the_mails_are_fit_to_send(
    a_lead: MakeLead,
    message: MakeMessage,
    work: Work,
    contracts: OwnContracts,
    changes: Mapping[str, Any],
) -> None:
    campaign = await drafted(scored(a_lead(**changes), "a\nb", "{{x}}"), message, work)
    assert contracts.violation(campaign) is None
    for mail in campaign.emails:
        assert "evil.example" not in mail.body + mail.subject
        assert "discount" not in mail.body
        assert unfit(mail.subject, mail.body, ("larkspan.example",)) is None
        assert "\n" not in mail.subject
        assert len(mail.body) < 3000


async def test_every_example_lead_gets_mails_that_may_be_sent(a_lead: MakeLead) -> None:
    articles = await Library(ToolSettings()).articles_for("reports systems", 4)
    with (ROOT / "examples" / "leads.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            lead = a_lead(**{name: value or None for name, value in row.items()})
            draft = draft_stand_in(scored(lead, "one point"), articles, SenderSettings())
            assert len(draft.mails) == 5
            assert problem_with(draft.mails, SenderSettings().site) is None


async def test_our_articles_have_titles_addresses_and_text() -> None:
    pages = sorted(OWN_CONTENT.glob("*.md"))
    assert 8 <= len(pages) <= 12
    articles = await Library(ToolSettings()).articles_for("the and that with data", 20)
    assert len(articles) == len(pages)
    for article in articles:
        assert article.address.startswith("https://larkspan.example/library/")
        assert article.title
        assert 100 < len(article.text.split()) < 300


def test_only_leads_that_are_not_disqualified_are_taken() -> None:
    assert [entry.when for entry in make_agent().definition.input] == ["this.next_step != 'DISQUALIFY'"]


async def test_the_model_is_told_what_the_contract_in_force_forbids(
    a_lead: MakeLead, message: MakeMessage, agent: Agent
) -> None:
    await must_heed_the_contract_in_force(agent, message(scored(a_lead())))
