"""What a running system decided is decided once more: what a change would do, and what a person corrected."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from command_line import Outcome, outcome_of
from lead_flow import ENGAGED, NURTURED
from local_stack import Stack
from obedient_model import FIRST_CHOICE, NAME, obedient_model, rule
from operating import Operator, lead
from recorded_routes import Routes
from signalbox.protocol.names import GOVERNANCE_AUDIT
from signalbox_decide.evaluation.agents import read_agents
from signalbox_decide.learned import definition_digest
from signalbox_decide.router import INSTRUCTIONS
from signalbox_operations.routes import open_route_service

SCORED = "sdr.LeadScored"
WHY = ("--why", "not ready to buy", "--who", "rev@ops")


@dataclass(frozen=True)
class Decided:
    """The decisions on the messages of some leads, each a pair of record type and agent, by message."""

    since: str
    of: dict[str, tuple[str, str]]

    def scored(self, agent: str) -> set[str]:
        """Return the scored leads that went to ``agent``."""
        return {message for message, decided in self.of.items() if decided == (SCORED, agent)}


@pytest.fixture(scope="module")
def decided(stack: Stack) -> Decided:
    """Leads went through the whole system, some to outreach and some to nurture."""
    return asyncio.run(leads_flow(stack))


async def leads_flow(stack: Stack) -> Decided:
    began = datetime.now(UTC)
    async with httpx2.AsyncClient(timeout=10) as http:
        operator = Operator(stack, http)
        kinds = [ENGAGED] * 3 + [NURTURED] * 3
        leads = [await operator.post(**lead(900 + number, **kind)) for number, kind in enumerate(kinds)]
        await operator.settled(leads)
        journeys = [await operator.journey(one) for one in leads]
    found = {
        entry["message_id"]: (entry["record_type"], entry["agent"])
        for journey in journeys
        for entry in journey["timeline"]
        if entry["stage"] == "routed"
    }
    return Decided(began.isoformat(), found)


@pytest.fixture(scope="module")
def model_url() -> Iterator[str]:
    with obedient_model() as url:
        yield url


@pytest.fixture
def routes(
    stack: Stack, model_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Routes:
    """Run the command as an operator of the stack does."""
    for name, value in {**stack.env, "LLM_BASE_URL": model_url, "LLM_API_KEY": "none"}.items():
        if os.environ.get(name) != value:
            monkeypatch.setenv(name, value)
    return partial(outcome_of, capsys, "routes")


def evaluated(routes: Routes, decided: Decided, *more: object) -> Any:
    outcome = routes("eval", "--recorded", decided.since, "--model", NAME, "--json", *more)
    assert isinstance(outcome, Outcome)
    assert outcome.status == 0, outcome.err
    return outcome.json


def differences(found: Any) -> dict[str, tuple[str, str]]:
    assert found["rows"][0]["router"] == NAME
    return {one["case"]: (one["label"], one["said"]) for one in found["rows"][0]["disagreements"]}


# First, since a correction below is there to stay.
def test_with_nothing_changed_everything_would_be_decided_as_it_was(routes: Routes, decided: Decided) -> None:
    found = evaluated(routes, decided)
    assert (found["recorded"], found["cases"], differences(found)) == (True, len(decided.of), {})
    assert len(decided.of) >= 6 * 3, "leads were researched, scored, and written to"
    assert found["rows"][0]["by"]["record type"][SCORED]["total"] >= 4
    assert found["rows"][0]["calls"] == len(decided.of), "the model was asked over HTTP"


def test_a_planted_change_of_the_prompt_is_found_in_just_the_decisions_that_it_changes(
    routes: Routes, decided: Decided, tmp_path: Path
) -> None:
    (tmp_path / "prompt.txt").write_text(f"{INSTRUCTIONS}\n{rule(SCORED, 'NONE')}")
    found = evaluated(routes, decided, "--prompt", tmp_path / "prompt.txt")
    expected = {message: agent for message, (of, agent) in decided.of.items() if of == SCORED}
    assert len(expected) >= 4
    assert differences(found) == {message: (agent, "NONE") for message, agent in expected.items()}


def test_a_planted_change_of_a_definition_is_found_in_just_the_decisions_that_it_changes(
    routes: Routes, decided: Decided, root: Path, tmp_path: Path
) -> None:
    file = root / "services" / "nurture_campaign" / "src" / "nurture_campaign" / "agent.yaml"
    changed = yaml.safe_load(file.read_text())
    changed["description"] = f"{FIRST_CHOICE} {changed['description']}"
    (tmp_path / "agent.yaml").write_text(yaml.safe_dump(changed))
    found = evaluated(routes, decided, "--agents", tmp_path / "agent.yaml")
    outreach, nurtured = decided.scored("active_outreach"), decided.scored("nurture_campaign")
    assert outreach
    assert nurtured, "they stay as they are"
    assert differences(found) == dict.fromkeys(outreach, ("active_outreach", "nurture_campaign"))


def test_what_is_announced_is_what_agent_yaml_defines_so_that_what_was_learned_of_it_is_served(
    routes: Routes, root: Path
) -> None:
    async def announced() -> dict[str, str]:
        async with open_route_service() as service:
            return {id: definition_digest(agent) for id, agent in (await service.agents()).items()}

    defined = read_agents(sorted((root / "services").glob("*/src/*/agent.yaml")))
    running = asyncio.run(announced())
    assert len(defined) == 5
    assert {id: running.get(id) for id in defined} == {
        id: definition_digest(agent) for id, agent in defined.items()
    }


def test_a_correction_is_in_the_audit_and_the_label_from_then_on(
    routes: Routes, decided: Decided, stack: Stack, tmp_path: Path
) -> None:
    message = min(decided.scored("active_outreach"))
    outcome = routes("correct", message, "--agent", "nurture_campaign", *WHY, "--json")
    assert isinstance(outcome, Outcome)
    assert (outcome.status, outcome.json["outcome"]) == (0, "corrected"), outcome.err
    [event] = asyncio.run(corrections_of(stack, message))
    assert event == outcome.json["event_id"]

    found = evaluated(routes, decided)
    assert differences(found) == {message: ("nurture_campaign", "active_outreach")}
    [wrong] = found["rows"][0]["disagreements"]
    assert wrong["why_the_label"] == "corrected by rev@ops: not ready to buy"
    assert "labels that a person corrected: 1" in found["notes"]

    assert routes("correct", message, "--agent", "nurture_campaign", *WHY)[0] == 0
    assert len(asyncio.run(corrections_of(stack, message))) == 1, "the same correction adds nothing"


async def corrections_of(stack: Stack, message: str) -> list[str]:
    async with httpx2.AsyncClient() as http:
        audit = await Operator(stack, http).records(GOVERNANCE_AUDIT)
    return [
        (record.header("ce_id") or b"").decode()
        for record in audit
        if record.header("ce_type") == b"control.RouteCorrected"
        and record.header("ce_causationid") == message.encode()
    ]


def test_a_router_is_learned_from_what_was_decided_and_corrected(
    routes: Routes, decided: Decided, tmp_path: Path
) -> None:
    pytest.importorskip("sklearn")
    outcome = routes("train", "--recorded", "24h", "--out", tmp_path / "learned.json", "--json")
    assert isinstance(outcome, Outcome)
    assert outcome.status == 0, outcome.err
    assert outcome.json["cases"] >= len(decided.of)
    found = evaluated(routes, decided, "--learned", tmp_path / "learned.json", "--learned-min", "0")
    assert [row["router"] for row in found["rows"]][-2:] == ["linear", "learned"]
    assert found["learned"]["saved"]["share"] == 1
