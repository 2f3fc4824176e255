"""A dispatcher is there while it has something to do, and nothing of it stays when that is over."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from announced import ENDPOINT, Codec
from orchestrator.dispatch.dispatchers import Dispatchers
from signalbox.protocol.names import AgentId
from signalbox.protocol.records import Record
from signalbox_decide.directory import Directory


class Stages:
    """Makes stages that do nothing until they are told to stop, and counts them."""

    def __init__(self) -> None:
        self.made: Counter[AgentId] = Counter()
        self.open: Counter[AgentId] = Counter()
        self.idle: dict[AgentId, float | None] = {}

    @asynccontextmanager
    async def __call__(self, agent: AgentId) -> AsyncIterator[Any]:
        stages = self

        class Stage:
            async def run(self, stopping: asyncio.Event) -> None:
                assert stages.open[agent] == 1
                await stopping.wait()
                await asyncio.sleep(0.01)

            @property
            def idle_since(self) -> float | None:
                return stages.idle.get(agent)

        self.made[agent] += 1
        self.open[agent] += 1
        yield Stage()
        self.open[agent] -= 1


class Running:
    """A directory and its dispatchers, at work."""

    def __init__(self) -> None:
        self.directory = Directory(Codec(), r"http://127\.0\.0\.1:\d+")  # type: ignore[arg-type]
        self.stages = Stages()
        self.dispatchers = Dispatchers(self.directory, self.stages, quiet_s=0.0)

    async def announce(self, agent: str) -> None:
        await self.directory.apply(Record("agent_registry", 0, 0, agent.encode(), agent.encode()))

    async def remove(self, agent: str) -> None:
        await self.directory.apply(Record("agent_registry", 0, 0, agent.encode(), None))

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not holds():
                await asyncio.sleep(0.005)


@asynccontextmanager
async def running() -> AsyncIterator[Running]:
    parts, stopping = Running(), asyncio.Event()
    task = asyncio.create_task(parts.dispatchers.run(stopping))
    try:
        yield parts
    finally:
        stopping.set()
        async with asyncio.timeout(10):
            await task
    assert not +parts.stages.open


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_agents_that_only_announce_themselves_cost_nothing() -> None:
    async with running() as parts:
        for number in range(64):
            await parts.announce(f"ghost-{number}")
        await asyncio.sleep(0.05)
        assert not parts.dispatchers.running


async def test_an_agent_that_is_reached_has_a_dispatcher_also_while_it_is_idle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orchestrator.dispatch.dispatchers._LOOK_S", 0.01)
    async with running() as parts:
        await parts.announce("echo")
        parts.directory.reached(AgentId("echo"), ENDPOINT)
        parts.stages.idle[AgentId("echo")] = 0.0
        await parts.until(lambda: parts.dispatchers.running == {"echo"})
        await asyncio.sleep(0.1)
        assert parts.dispatchers.running == {"echo"}


async def test_a_removed_agents_dispatcher_stops_when_its_routes_are_released_and_comes_again_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # That a stage has nothing to do is no change of the directory: it is looked for now and then.
    monkeypatch.setattr("orchestrator.dispatch.dispatchers._LOOK_S", 0.01)
    echo = AgentId("echo")
    async with running() as parts:
        for turn in (1, 2):
            await parts.announce("echo")
            parts.directory.reached(echo, ENDPOINT)
            await parts.until(lambda: parts.stages.open[echo] == 1)
            await parts.remove("echo")
            await asyncio.sleep(0.05)
            assert parts.dispatchers.running == {echo}  # it may have routes yet
            parts.stages.idle[echo] = now()
            await parts.until(lambda: not parts.dispatchers.running)
            assert parts.stages.made[echo] == turn
            assert not parts.directory.at_work
            parts.stages.idle[echo] = None


async def test_a_route_that_is_written_to_an_agent_which_left_has_a_dispatcher_that_releases_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orchestrator.dispatch.dispatchers._LOOK_S", 0.01)
    async with running() as parts:
        parts.directory.route_to(AgentId("left"))
        await parts.until(lambda: parts.dispatchers.running == {"left"})
        parts.stages.idle[AgentId("left")] = now()
        await parts.until(lambda: not parts.dispatchers.running)
