"""An agent that announced itself and was never reached: no candidate beside others, and waited for alone."""

import asyncio
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from signalbox.gate import Accepted
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import AgentId
from signalbox.protocol.reasons import Reason
from signalbox.telemetry import Readiness
from signalbox_decide.records import Outcome
from signalbox_decide.selection import Selection, Waiting

WAIT_S = 0.2


class Agents:
    """Stands for the directory: who is there, whom it has reached, and who was routed to."""

    def __init__(self, *agents: str, reached: Sequence[str] = ()) -> None:
        self.ids, self.known = list(agents), set(reached)
        self.routed: list[str] = []
        self.waits = 0
        self.limits: list[float | None] = []
        self.willing = dict.fromkeys(agents, True)
        self.changed_at = self.since = asyncio.get_running_loop().time()
        self._changed = asyncio.Event()

    @property
    def agents(self) -> list[str]:
        return self.ids

    def taking(self, _: str) -> list[Any]:
        return [
            SimpleNamespace(
                definition=SimpleNamespace(id=agent), accepts=lambda *_, agent=agent: self.willing[agent]
            )
            for agent in self.ids
        ]

    def was_reached(self, agent: str) -> bool:
        return agent in self.known

    def known_since(self, _: str) -> float:
        return self.since

    def route_to(self, agent: str) -> None:
        self.routed.append(agent)

    async def change(self, timeout_s: float | None) -> None:
        self.waits += 1
        self.limits.append(timeout_s)
        try:
            await asyncio.wait_for(self._changed.wait(), timeout_s)
        except TimeoutError:
            return

    def reach(self, agent: str) -> None:
        self.known.add(agent)
        self._changed.set()
        self._changed = asyncio.Event()


def selection(directory: Agents, readiness: Readiness | None = None) -> Selection:
    class First:
        """Stands for guards, catalog and router: everything may go on, and the first candidate is chosen."""

        def check(self, _: object) -> None:
            return

        def unspent(self, _: object, agents: Sequence[Any]) -> Sequence[Any]:
            return agents

        def record(self, _: object) -> Any:
            return SimpleNamespace(terminal=False)

        async def choose(self, _: object, candidates: Sequence[Any]) -> Any:
            return SimpleNamespace(agent=candidates[0].id)

    first: Any = First()
    given: Any = directory
    return Selection(given, first, first, first, Waiting(WAIT_S, (readiness or Readiness()).degraded))


def candidates(route: Any) -> list[str]:
    return [agent.id for agent in route.candidates]


async def test_a_ghost_is_no_candidate_while_another_takes_the_type(
    accepted: Callable[..., Accepted],
) -> None:
    agents = Agents("ghost", "real", reached=["real"])
    assert candidates(await selection(agents).route(accepted())) == ["real"]
    assert agents.routed == ["real"]


async def test_agents_that_were_reached_once_stay_candidates_whatever_they_do_now(
    accepted: Callable[..., Accepted],
) -> None:
    agents = Agents("away", "there", reached=["away", "there"])
    assert candidates(await selection(agents).route(accepted())) == ["away", "there"]


async def test_a_type_that_only_a_ghost_takes_waits_visibly_until_it_is_reached(
    accepted: Callable[..., Accepted],
) -> None:
    agents, readiness = Agents("late"), Readiness()
    agents.since += 3600
    routing = asyncio.create_task(selection(agents, readiness).route(accepted()))
    await asyncio.sleep(0.01)
    assert "never reached: late" in readiness.impaired[0]
    agents.reach("late")
    assert candidates(await routing) == ["late"]
    assert not readiness.impaired


async def test_behind_a_ghost_the_shared_topic_is_held_for_the_wait_and_no_longer(
    accepted: Callable[..., Accepted],
) -> None:
    agents = Agents("ghost")
    async with asyncio.timeout(5):
        assert candidates(await selection(agents).route(accepted())) == ["ghost"]
        waits = agents.waits
        await selection(agents).route(accepted())
        assert agents.waits == waits  # its time is over for all that come


async def test_a_ghost_whose_condition_holds_is_waited_for_and_nothing_ends(
    accepted: Callable[..., Accepted],
) -> None:
    agents = Agents("ghost", "real", reached=["real"])
    agents.willing["real"] = False
    async with asyncio.timeout(5):
        assert candidates(await selection(agents).route(accepted())) == ["ghost"]
    agents.willing["ghost"] = False
    assert (await selection(agents).route(accepted())).outcome is Outcome.ENDED


async def test_a_type_that_nobody_takes_is_given_up_after_the_wait(accepted: Callable[..., Accepted]) -> None:
    agents = Agents("other")
    agents.taking = lambda _: []  # type: ignore[method-assign]
    began = asyncio.get_running_loop().time()
    with pytest.raises(Refusal) as refusal:
        await selection(agents).route(accepted())
    assert refusal.value.reason is Reason.NO_CANDIDATE
    assert refusal.value.detail == "no registered agent takes sdr.LeadScored; waited 0.2 s"
    assert asyncio.get_running_loop().time() - began >= WAIT_S


async def test_while_a_type_waits_for_any_agent_that_is_told_by_its_name(
    accepted: Callable[..., Accepted],
) -> None:
    agents, readiness = Agents("other"), Readiness()
    taking, agents.taking = agents.taking, lambda _: []  # type: ignore[method-assign]
    routing = asyncio.create_task(selection(agents, readiness).route(accepted()))
    await asyncio.sleep(0.01)
    assert readiness.impaired == ["routing sdr.LeadScored: waits for an agent that takes it: no agent"]
    agents.taking = taking  # type: ignore[method-assign]
    agents.reach("other")
    assert candidates(await routing) == ["other"]
    assert not readiness.impaired


async def test_an_empty_directory_is_waited_for_without_limit(accepted: Callable[..., Accepted]) -> None:
    agents = Agents()
    agents.since = agents.changed_at = agents.since - 3600
    routing = asyncio.create_task(selection(agents).route(accepted()))
    await asyncio.sleep(0.01)
    assert agents.limits == [None]
    agents.ids, agents.willing = ["late"], {"late": True}
    agents.reach("late")
    assert candidates(await routing) == ["late"]


async def test_what_an_agent_refused_goes_to_one_that_was_reached_if_there_is_one(
    accepted: Callable[..., Accepted],
) -> None:
    agents = Agents("first", "ghost", "real", reached=["first", "real"])
    route = await selection(agents).reroute(accepted(), AgentId("first"), "not mine")
    assert candidates(route) == ["real"]
    assert selection(agents).others(accepted(), AgentId("ghost"))
    agents.known = {"first"}
    assert not selection(agents).others(accepted(), AgentId("first"))
