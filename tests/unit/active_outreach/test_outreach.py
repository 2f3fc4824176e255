import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from active_outreach.agent import make_agent
from active_outreach.draft import Draft
from active_outreach.handler import _prompt
from active_outreach.offline import draft_stand_in
from handling import must_heed_the_contract_in_force
from signalbox.models import ModelRefused
from signalbox_agent import Agent, Message, Work
from signalbox_agent.contracts import OwnContracts
from signalbox_agent.texts import SenderSettings, problem_with, unfit
from signalbox_agent.tools import CompanyResearch, Directory, ToolSettings, Website
from signalbox_contracts.sdr import CampaignDrafted, CampaignType, Lead, LeadScored, NextStep

ROOT = Path(__file__).parents[3]
SITE = "https://larkspan.example/"
MakeLead = Callable[..., Lead]
MakeMessage = Callable[..., Message[Any]]


def scored(lead: Lead, *points: str) -> LeadScored:
    step = NextStep.ACTIVELY_ENGAGE
    return LeadScored(lead=lead, score=80, next_step=step, talking_points=list(points), rationale="r")


async def drafted(record: LeadScored, message: MakeMessage, work: Work) -> CampaignDrafted:
    (campaign,) = await make_agent().handle(message(record), work)
    assert isinstance(campaign, CampaignDrafted)
    return campaign


async def test_three_personal_mails_go_to_the_lead_over_a_week(
    a_lead: MakeLead, message: MakeMessage, work: Work, contracts: OwnContracts
) -> None:
    campaign = await drafted(scored(a_lead(), "reports by hand"), message, work)
    assert campaign.lead == a_lead()
    assert campaign.campaign_type is CampaignType.ACTIVE_OUTREACH
    assert [mail.send_after_hours for mail in campaign.emails] == [0, 72, 168]
    assert {mail.to for mail in campaign.emails} == {"anna@bergwerk.example"}
    for mail in campaign.emails:
        assert "Dear Anna Schmidt," in mail.body
        assert "Bergwerk Logistik GmbH" in mail.body
    assert "reports by hand" in campaign.emails[0].body
    assert len({mail.subject for mail in campaign.emails}) == 3
    assert contracts.violation(campaign) is None


HOSTILE: list[Mapping[str, Any]] = [
    {"project_description": None},
    {"name": "佐藤 花子", "company_name": "株式会社さくら", "job_title": "部長"},
    {"name": "a\nBcc: x@y.example", "company_name": "Evil\r\nSubject: x", "job_title": "{{title}}"},
    {"name": "x" * 9000, "company_name": "y " * 9000, "project_description": "z" * 200_000},
    {
        "name": "$them ${us} %s {name}",
        "company_name": "[Company Name]",
        "project_description": "[insert text]",
    },
    {"project_description": "see https://evil.example/ and www.evil.example, write to me@evil.example"},
    {"name": "\u200b", "company_name": "\u2060x", "job_title": "<script>"},
    {"name": "Ada call 0900 123 456", "company_name": "evil.example", "job_title": "+49 30 1234567"},
    {
        "name": "ｅｖｉｌ．ｅｘａｍｐｌｅ",
        "company_name": "mailto:me@evil.example",
        "project_description": "//evil.example",
    },
    {"name": "h\u200bttps://evil.example", "company_name": "\u202eevil.example", "job_title": "%NAME% $name"},
    {"project_description": "You get a 90 % discount, and 500 EUR, guaranteed.", "job_title": "90% off"},
]


@pytest.mark.parametrize("changes", HOSTILE)
async def test_whatever_a_lead_typed_the_mails_are_fit_to_send(
    a_lead: MakeLead,
    message: MakeMessage,
    work: Work,
    contracts: OwnContracts,
    changes: Mapping[str, Any],
) -> None:
    lead = a_lead(**changes)
    campaign = await drafted(scored(lead, "a\nb", "{{x}} https://evil.example", ""), message, work)
    assert contracts.violation(campaign) is None
    assert {mail.to for mail in campaign.emails} == {lead.email}
    for mail in campaign.emails:
        assert "evil.example" not in mail.body + mail.subject
        assert "discount" not in mail.body
        assert unfit(mail.subject, mail.body, ("larkspan.example",)) is None
        assert "\n" not in mail.subject
        assert len(mail.subject) <= 150
        assert len(mail.body) < 3000


def test_every_example_lead_gets_mails_that_may_be_sent(a_lead: MakeLead) -> None:
    with (ROOT / "examples" / "leads.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            lead = a_lead(**{name: value or None for name, value in row.items()})
            assert (
                problem_with(draft_stand_in(scored(lead, "one point"), SenderSettings()).mails, SITE) is None
            )


def test_the_same_lead_gets_the_same_mails(a_lead: MakeLead) -> None:
    record = scored(a_lead(), "reports by hand")
    assert draft_stand_in(record, SenderSettings()) == draft_stand_in(record, SenderSettings())


def test_only_leads_that_are_not_disqualified_are_taken() -> None:
    assert [entry.when for entry in make_agent().definition.input] == ["this.next_step != 'DISQUALIFY'"]


async def test_the_model_is_told_what_the_contract_in_force_forbids(
    a_lead: MakeLead, message: MakeMessage, agent: Agent
) -> None:
    await must_heed_the_contract_in_force(agent, message(scored(a_lead())))


def with_link(draft: Draft, link: str) -> Draft:
    first, *rest = draft.mails
    return Draft(mails=[first.model_copy(update={"body": f"{first.body}\n\n{link}"}), *rest])


@pytest.mark.parametrize(
    "link",
    [
        "open evil.example/login",
        "call +49 30 1234567",
        "https://larkspan.example/r?u=evil.example",
        "save 90 %",
    ],
)
async def test_a_model_that_links_elsewhere_is_told_and_may_mend_it(
    a_lead: MakeLead, message: MakeMessage, work: Work, monkeypatch: pytest.MonkeyPatch, link: str
) -> None:
    answers = [with_link(draft_stand_in(scored(a_lead()), SenderSettings()), link)]
    answers += [draft_stand_in(scored(a_lead()), SenderSettings())]
    monkeypatch.setattr("active_outreach.handler.draft_stand_in", lambda *_: answers.pop(0))
    campaign = await drafted(scored(a_lead()), message, work)
    assert answers == []
    assert link not in campaign.emails[0].body


async def test_a_model_that_goes_on_linking_elsewhere_gets_nothing_sent(
    a_lead: MakeLead, message: MakeMessage, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = with_link(draft_stand_in(scored(a_lead()), SenderSettings()), "see evil.example")
    monkeypatch.setattr("active_outreach.handler.draft_stand_in", lambda *_: bad)
    with pytest.raises(ModelRefused, match=r"evil\.example"):
        await drafted(scored(a_lead()), message, work)


async def test_nothing_that_only_we_know_reaches_the_prompt(a_lead: MakeLead, tmp_path: Path) -> None:
    crm = tmp_path / "crm.csv"
    crm.write_text("company,domain,industry,status,notes\nAcme,acme.example,Tools,customer,pays late\n")
    tools = ToolSettings(crm_file=crm)
    for email, told in (
        ("x@acme.example", True),
        ("eve@evil.test", False),
        ("x@acme.example.evil.test", False),
    ):
        lead = a_lead(email=email, company_name="Acme", company_website="https://acme.example")
        research = CompanyResearch(Website(tools), Directory.crm(tools))
        findings = await research.about(email=lead.email, website=lead.company_website)
        prompt = _prompt(scored(lead), findings)
        assert "pays late" not in prompt
        assert '"customer"' not in prompt
        assert ("Tools" in prompt) is told
