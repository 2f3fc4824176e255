"""What a lead in flight waits for is told, with the agent that is away; a silent one is stalled."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from console.app import create_app
from console.presence import Presence, _joined
from console.queries import Queries
from console.waiting import Absence, StallDetector
from signalbox.registry.presence import RegistryPresence
from signalbox.telemetry import Readiness

AWAY = {"circuit": "open", "away_since": "2026-01-01T00:00:00.000Z", "away_because": "ConnectError"}
THERE = {"circuit": "closed", "away_since": None, "away_because": None}


class ScoringAway:
    def absence(self, agent: str) -> Absence | None:
        return Absence(AWAY["away_since"], AWAY["away_because"]) if agent == "lead_scoring" else None


def patient_queries(views: Any, *, stalled_after_s: float = 900) -> Queries:
    return Queries(views.queries._path, StallDetector(ScoringAway(), stalled_after_s))


async def test_a_message_without_a_decision_waits_for_one(views, paper):
    paper.captured("lead-1")
    await views.show(*paper.records)
    [wait] = patient_queries(views).lead("lead-1").waiting_for
    assert (wait.stage, wait.agent) == ("routing", None)
    assert wait.reason == "waiting for a decision on sdr.LeadCaptured"
    assert wait.position.startswith("agent_messages/")


async def test_a_routed_message_waits_for_its_agent_which_may_be_away(views, paper):
    message = paper.captured("lead-1")
    paper.decided(message, "lead_scoring", "routed")
    other = paper.captured("lead-2")
    paper.decided(other, "lead_ingestion", "routed")
    await views.show(*paper.records)
    [wait] = patient_queries(views).lead("lead-1").waiting_for
    assert (wait.stage, wait.agent) == ("dispatch", "lead_scoring")
    assert wait.reason == (
        "waiting for lead_scoring, which is away since 2026-01-01T00:00:00.000Z: ConnectError"
    )
    assert wait.position.startswith("agent_routes/")
    [wait] = patient_queries(views).lead("lead-2").waiting_for
    assert wait.reason == "waiting for lead_ingestion"


async def test_a_message_that_one_agent_refused_waits_for_the_next(views, paper):
    message = paper.captured("lead-1")
    paper.decided(message, "rival", "routed")
    second = paper.decided(message, "lead_ingestion", "rerouted", excluded=["rival"])
    await views.show(*paper.records)
    [wait] = patient_queries(views).lead("lead-1").waiting_for
    assert (wait.agent, wait.position) == ("lead_ingestion", f"agent_routes/0/{second.offset}")


async def test_a_lead_does_not_wait_for_the_replay_of_what_intake_refused_under_its_id(views, paper):
    paper.captured("lead-1")
    paper.replay_audited(paper.rejected(paper.incoming("lead-1"), "CONFLICT", "intake"))
    await views.show(*paper.records)
    assert [wait.stage for wait in patient_queries(views).lead("lead-1").waiting_for] == ["routing"]


async def test_a_lead_at_its_end_waits_for_nothing(views, paper):
    paper.scheduled("lead-1")
    await views.show(*paper.records)
    lead = patient_queries(views).lead("lead-1")
    assert (lead.waiting_for, lead.stalled) == ([], False)


async def test_only_a_silent_lead_in_flight_is_stalled(views, paper):
    paper.captured("lead-1")
    paper.scheduled("lead-2")
    await views.show(*paper.records)
    # The papers' times lie in the past or in the future; both patiences are far from the border.
    a_thousand_years = 1000 * 365 * 86400.0
    for seconds, stalled in ((-a_thousand_years, True), (a_thousand_years, False)):
        queries = patient_queries(views, stalled_after_s=seconds)
        assert queries.lead("lead-1").stalled is stalled
        assert queries.stalled() == (1 if stalled else 0)
        listed = queries.leads(stalled=True).leads
        assert [lead.lead_id for lead in listed] == (["lead-1"] if stalled else [])
        assert all(lead.stalled and lead.waiting_for for lead in listed)


@pytest.fixture
async def http(views) -> AsyncIterator[httpx2.AsyncClient]:
    presence = Presence([])
    presence._dispatch = {"lead_scoring": AWAY}
    app = create_app(
        patient_queries(views, stalled_after_s=1e-9),
        views.registry,
        views.schemas,
        Readiness(),
        presence,
        RegistryPresence(Readiness().degraded),
    )
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://console") as client:
        yield client


async def test_pages_and_api_show_what_is_waited_for(http, views, paper):
    paper.decided(paper.captured("lead-1"), "lead_scoring", "routed")
    await views.show(*paper.records)
    page = (await http.get("/leads/lead-1")).text
    assert "waiting for lead_scoring, which is away since" in page
    answer = (await http.get("/api/leads", params={"status": "in_flight"})).json()
    assert answer["leads"][0]["waiting_for"][0]["agent"] == "lead_scoring"
    assert (await http.get("/", params={"stalled": "true"})).status_code == 200


def test_of_two_orchestrators_the_one_that_misses_an_agent_is_believed():
    assert _joined([{"a": THERE}, {"a": AWAY}]) == {"a": AWAY}
    assert _joined([{"a": AWAY}, {"a": THERE}]) == {"a": AWAY}
    assert _joined([{}, {"a": THERE}]) == {"a": THERE}
