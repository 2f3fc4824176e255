"""A lead's whole journey with the five agents of ``services/``, in memory and with the offline model."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import active_outreach.agent
import lead_ingestion.agent
import lead_scoring.agent
import nurture_campaign.agent
import send_email.agent
from handling import lead_with
from lead_flow import DISQUALIFIED, ENGAGED, NURTURED
from send_email.settings import MailSettings
from signalbox_agent.testing import InMemorySignalbox
from signalbox_agent.tools import ToolSettings
from signalbox_contracts.sdr import LeadCaptured
from signalbox_decide.decisions import Outcome


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[InMemorySignalbox]:
    settings, tools = MailSettings(data_dir=tmp_path, smtp_url=None), ToolSettings()
    store = send_email.agent.make_store(settings)
    agents = [
        lead_ingestion.agent.make_agent(tools),
        lead_scoring.agent.make_agent(),
        active_outreach.agent.make_agent(tools),
        nurture_campaign.agent.make_agent(tools),
        send_email.agent.make_agent(settings, store),
    ]
    async with InMemorySignalbox(agents, patience_s=60) as box:
        yield box
    store.close()


@pytest.mark.parametrize(
    ("kind", "journey"),
    [
        (ENGAGED, ["lead_ingestion", "lead_scoring", "active_outreach", "send_email", None]),
        (NURTURED, ["lead_ingestion", "lead_scoring", "nurture_campaign", "send_email", None]),
        (DISQUALIFIED, ["lead_ingestion", "lead_scoring", None]),
    ],
    ids=["engaged", "nurtured", "disqualified"],
)
async def test_a_lead_goes_from_agent_to_agent_to_its_end(
    box: InMemorySignalbox, kind: dict[str, Any], journey: list[str | None]
) -> None:
    lead = lead_with(**kind)
    await box.send(LeadCaptured(lead=lead))
    await box.until_idle()
    assert [route.agent for route in box.routes] == journey
    assert box.dead_letters == []
    last = box.messages[-1]
    if len(journey) > 3:
        assert (last.record_type, box.routes[-1].outcome) == ("sdr.CampaignScheduled", Outcome.TERMINAL)
        assert last.datum["lead_id"] == lead.lead_id
        assert all(mail["status"] == "scheduled" for mail in last.datum["emails"])
    else:
        assert (last.record_type, box.routes[-1].outcome) == ("sdr.LeadScored", Outcome.ENDED)
