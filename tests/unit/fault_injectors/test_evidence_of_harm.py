"""A fault that is on waits for what it can strike, and its strikes are told."""

import asyncio
import json
import random

import pytest

from fault import Kind, World
from injectors.strikes import StrikeFault, Strikes


def _fault(server: Strikes[str]) -> StrikeFault[str]:
    return StrikeFault("some-fault", Kind.MODEL, {"the server": server}, "fails")


async def test_a_fault_waits_until_it_struck_and_its_strikes_are_noted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("injectors.evidence_of_harm._DEADLINE_S", 30.0)
    server: Strikes[str] = Strikes()
    fault = _fault(server)
    injecting = asyncio.create_task(fault.inject(world, random.Random(1)))
    await asyncio.sleep(0.2)
    assert not injecting.done()
    assert server.next() == ("some-fault", "fails")
    assert await injecting == "some-fault: 100% of what reaches the server"
    server.next()
    await fault.heal(world)
    assert server.next() is None
    [line] = [json.loads(line) for line in (world.run_dir / "history.jsonl").read_text().splitlines()]
    assert (line["event"], line["name"], line["count"]) == ("struck", "some-fault", 2)


async def test_a_fault_that_nothing_came_across_says_so(world: World) -> None:
    fault = _fault(Strikes())
    assert "nothing came its way" in await fault.inject(world, random.Random(1))
    await fault.heal(world)
    await fault.heal(world)
    assert json.loads((world.run_dir / "history.jsonl").read_text())["count"] == 0
