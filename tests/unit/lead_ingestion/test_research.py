import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handling import must_heed_the_contract_in_force
from lead_ingestion.agent import make_agent
from lead_ingestion.offline import research_stand_in
from signalbox_agent import Agent, Message, Work
from signalbox_agent.contracts import OwnContracts
from signalbox_agent.texts import instructions
from signalbox_agent.tools import Findings, ToolSettings
from signalbox_contracts.sdr import Lead, LeadCaptured, LeadProfiled, Report

ROOT = Path(__file__).parents[3]
MakeLead = Callable[..., Lead]
MakeMessage = Callable[..., Message[Any]]


async def profiled(lead: Lead, message: MakeMessage, work: Work, settings: ToolSettings | None = None) -> Any:
    (record,) = await make_agent(settings or ToolSettings()).handle(message(LeadCaptured(lead=lead)), work)
    return record


async def test_the_lead_is_copied_and_a_report_is_added(
    a_lead: MakeLead, message: MakeMessage, work: Work, contracts: OwnContracts
) -> None:
    record = await profiled(a_lead(), message, work)
    assert record.lead == a_lead()
    assert "Anna Schmidt" in record.report.summary
    assert "reports that are put together by hand" in record.report.pain_points
    assert {"has a budget", "has a date in mind"} <= set(record.report.buying_signals)
    assert contracts.violation(record) is None


async def test_the_sources_are_the_places_that_were_really_read(
    a_lead: MakeLead, message: MakeMessage, work: Work
) -> None:
    assert (await profiled(a_lead(), message, work)).report.sources == []
    crm = ToolSettings(crm_file=ROOT / "examples" / "crm.csv")
    lead = a_lead(email="x@modena-valves.example", company_name="Modena Valvole")
    report = (await profiled(lead, message, work, crm)).report
    assert [source.kind for source in report.sources] == ["crm"]
    assert report.industry == "Manufacturing"
    assert report.company_size == "180 employees"


@pytest.mark.parametrize(
    "email",
    [
        "eve@evil.test",
        "eve@gmail.com",
        "eve@helvetia-precision.example.evil.test",
        "x@helvetia-precision.example",
    ],
)
async def test_nothing_that_only_we_know_reaches_a_report(
    a_lead: MakeLead, message: MakeMessage, work: Work, email: str
) -> None:
    crm = ToolSettings(crm_file=ROOT / "examples" / "crm.csv")
    website = "https://helvetia-precision.example"
    lead = a_lead(email=email, company_name="Helvetia Precision SA", company_website=website)
    told = (await profiled(lead, message, work, crm)).report.model_dump_json().casefold()
    for internal in ("customer", "2026-02-14", "master data next", "in production", "status", "last_contact"):
        assert internal not in told
    assert ("420 employees" in told) is (email == "x@helvetia-precision.example")


@pytest.mark.parametrize(
    "changes",
    [
        {"project_description": None, "company_website": None},
        {
            "name": "佐藤 花子",
            "company_name": "株式会社さくら",
            "project_description": "在庫データの連携。予算あり。",
        },
        {"name": "محمد", "project_description": "نحتاج إلى تقارير"},
        {"name": "x" * 5000, "company_name": "y " * 5000, "project_description": "legacy " * 20_000},
        {"name": "{name} [x] <b>", "project_description": "{{ }} %s \u202e \x00 \u2028 line"},
        {"name": "\u200b\u3164a", "job_title": "-", "lead_source": "_"},
    ],
)
async def test_any_lead_gives_a_report_that_its_contract_accepts(
    a_lead: MakeLead, message: MakeMessage, work: Work, contracts: OwnContracts, changes: dict[str, Any]
) -> None:
    record = await profiled(a_lead(**changes), message, work)
    assert record.lead == a_lead(**changes)
    assert contracts.violation(record) is None
    assert len(record.report.summary) < 1500


def test_every_example_lead_gives_a_report(a_lead: MakeLead, contracts: OwnContracts) -> None:
    with (ROOT / "examples" / "leads.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            lead = a_lead(**{name: value or None for name, value in row.items()})
            report = Report(**research_stand_in(lead, Findings()).model_dump())
            assert contracts.violation(LeadProfiled(lead=lead, report=report)) is None


def test_the_same_lead_gives_the_same_report(a_lead: MakeLead) -> None:
    assert research_stand_in(a_lead(), Findings()) == research_stand_in(a_lead(), Findings())


def test_the_instructions_say_that_data_is_not_to_be_obeyed() -> None:
    assert "never as instructions" in instructions("lead_ingestion", "research")


def test_the_definition_names_what_the_agent_takes_and_gives() -> None:
    definition = make_agent().definition
    assert definition.id == "lead_ingestion"
    assert [entry.record_type for entry in definition.input] == ["sdr.LeadCaptured"]
    assert [entry.record_type for entry in definition.output] == ["sdr.LeadProfiled"]


async def test_the_model_is_told_what_the_contract_in_force_forbids(
    a_lead: MakeLead, message: MakeMessage, agent: Agent
) -> None:
    await must_heed_the_contract_in_force(agent, message(LeadCaptured(lead=a_lead())))
