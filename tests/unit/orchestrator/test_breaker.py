"""The circuit opens after failures in a row, lets one call probe at a time, and closes when one succeeds."""

import asyncio

import pytest

from orchestrator.breaker import Circuit, CircuitBreaker


def fault(result: str) -> float | None:
    return None if result == "well" else 0.0


class Agent:
    """Answers as it is told, and counts who is inside at once."""

    def __init__(self, answer: str = "ill") -> None:
        self.answer, self.calls, self.inside, self.most = answer, 0, 0, 0

    async def call(self) -> str:
        self.calls += 1
        self.inside += 1
        self.most = max(self.most, self.inside)
        await asyncio.sleep(0.001)
        self.inside -= 1
        return self.answer


async def opened(agent: Agent, pause_s: float = 0.0) -> CircuitBreaker:
    breaker = CircuitBreaker(3, lambda _: pause_s)
    for _ in range(3):
        assert breaker.state is Circuit.CLOSED
        await breaker.call(agent.call, fault)
    assert breaker.state is Circuit.OPEN
    return breaker


async def test_it_opens_after_failures_in_a_row() -> None:
    breaker = await opened(Agent())
    assert breaker.open_since is not None


async def test_a_success_in_between_keeps_it_closed() -> None:
    agent, breaker = Agent(), CircuitBreaker(2, lambda _: 0)
    for answer in ("ill", "well", "ill", "well"):
        agent.answer = answer
        await breaker.call(agent.call, fault)
    assert breaker.state is Circuit.CLOSED


async def test_while_it_is_open_one_call_at_a_time_goes_through() -> None:
    agent = Agent()
    breaker = await opened(agent)
    agent.most = 0
    await asyncio.gather(*[breaker.call(agent.call, fault) for _ in range(5)])
    assert agent.most == 1
    assert breaker.state is Circuit.OPEN


async def test_the_probe_that_succeeds_lets_all_others_through_at_once() -> None:
    agent = Agent()
    breaker = await opened(agent)
    agent.answer = "well"
    await asyncio.gather(*[breaker.call(agent.call, fault) for _ in range(5)])
    assert breaker.state is Circuit.CLOSED
    assert breaker.open_since is None
    assert agent.calls == 3 + 5


async def test_before_its_pause_is_over_nobody_is_called() -> None:
    agent = Agent()
    breaker = await opened(agent, pause_s=3600)
    waiting = asyncio.create_task(breaker.call(agent.call, fault))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(waiting), 0.05)
    assert agent.calls == 3
    waiting.cancel()


async def test_a_probe_that_is_given_up_leaves_its_place_to_the_next() -> None:
    agent = Agent()
    breaker = await opened(agent)

    async def hang() -> str:
        return await asyncio.Event().wait() and ""

    probe = asyncio.create_task(breaker.call(hang, fault))
    while breaker.state is not Circuit.HALF_OPEN:
        await asyncio.sleep(0)
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    agent.answer = "well"
    assert await breaker.call(agent.call, fault) == "well"
    assert breaker.state is Circuit.CLOSED
