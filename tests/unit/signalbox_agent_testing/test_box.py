"""The in-memory Signalbox itself: what it does when it can't go on, and what it stands on."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from demonstration_agents import ANSWERED, ASKED, Answered, Asked, agent, text_contract
from handling import lead_with
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.reasons import Reason
from signalbox_agent import bound
from signalbox_agent.testing import InMemorySignalbox, Unsettled
from signalbox_contracts import schema_text
from signalbox_contracts.sdr import LeadCaptured

ROOT = Path(__file__).resolve().parents[3]


async def test_a_message_that_waits_for_an_agent_and_none_is_there_is_told() -> None:
    captured = bound(LeadCaptured, schema_text("sdr.LeadCaptured"))
    async with InMemorySignalbox(contracts=[captured], patience_s=0.3) as box:
        await box.send(LeadCaptured(lead=lead_with()))
        with pytest.raises(Unsettled, match=r"agent_messages/0/0 is not settled.* waits for an agent"):
            await box.until_idle()


async def test_a_registry_that_stays_away_is_told_and_what_waited_is_settled_when_it_is_back() -> None:
    async with InMemorySignalbox([agent()], patience_s=1) as box:
        await box.until_idle()
        await box.send(Asked())
        box.registry.available = False
        with pytest.raises(Unsettled, match="registry is unavailable"):
            await box.until_idle()
        box.registry.available = True
        await box.until_idle()
        assert box.records(Answered)


async def test_an_agent_that_starts_later_gets_what_comes_then() -> None:
    async with InMemorySignalbox([agent("beta", takes=ANSWERED, gives=ASKED, terminal=False)]) as box:
        await box.send(Asked())
        await box.until_idle()
        await box.start(agent("alpha"))
        await box.send(Asked())
        await box.until_idle()
    assert [dead_letter.reason for dead_letter in box.dead_letters] == [Reason.NO_CANDIDATE]
    assert box.records(Answered)


async def test_what_no_catalog_lists_and_no_agent_announces_is_not_admitted() -> None:
    class Strange(BaseModel):
        text: str = ""

    async with InMemorySignalbox([agent()], contracts=[bound(Strange, text_contract("demo.Strange"))]) as box:
        await box.send(Strange())
        await box.until_idle()
    assert [dead_letter.reason for dead_letter in box.dead_letters] == [Reason.NOT_ADMITTED]


async def test_a_record_without_a_contract_is_told_at_once() -> None:
    class Unbound(BaseModel):
        text: str = ""

    async with InMemorySignalbox([agent()]) as box:
        with pytest.raises(ConfigurationError, match="no agent takes or gives a Unbound"):
            await box.send(Unbound())


async def test_a_catalog_is_the_nearest_one_or_the_given_one_or_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CATALOG", raising=False)
    monkeypatch.chdir(tmp_path)
    assert not InMemorySignalbox().catalog.records
    assert InMemorySignalbox(catalog=ROOT / "contracts" / "catalog.yaml").catalog.records
    monkeypatch.chdir(ROOT / "docs")
    assert InMemorySignalbox().catalog.records


async def test_the_documents_example_runs() -> None:
    text = (ROOT / "docs" / "testing-agents.md").read_text()
    example: dict[str, Any] = {}
    exec(text.split("```python\n", 1)[1].split("```", 1)[0], example)
    tests = [made for name, made in example.items() if name.startswith("test_")]
    assert tests
    for test in tests:
        await test()
