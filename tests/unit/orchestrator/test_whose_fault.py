"""Whose fault it is when a call does not succeed: the message's, the agent's, or only the moment's."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.dispatch.agent_client import Away, Broken, Done, Failed, Outcome, Refused
from orchestrator.dispatch.availability import AgentAvailability
from orchestrator.dispatch.delivery import AgentDelivery, Poisoned, Settled
from signalbox.protocol.names import AgentId
from signalbox.protocol.records import Record
from signalbox.telemetry import Readiness

MESSAGE = Record("agent_messages", 0, 0, b"lead-1", b"value", ())
HOME = "http://echo:8200"
HUNG_UP = Broken("ReadError: gone")
BUSY = Away("HTTP 503: busy", answered=True)


class Calls:
    """Stands for the calls of an agent: what comes of each, by the message's offset, and then done."""

    def __init__(self, *outcomes: Outcome, ready: Callable[[int], bool] = lambda _: True) -> None:
        self.outcomes = defaultdict[int, list[Outcome]](list, {0: list(outcomes)})
        self.ready = ready
        self.posted: list[Record] = []
        self.asked = 0
        self.places: set[str] = set()

    async def post(self, original: Record, endpoint: str) -> Outcome:
        self.posted.append(original)
        self.places.add(endpoint)
        await asyncio.sleep(0)
        script = self.outcomes[original.offset]
        return script.pop(0) if script else Done()

    async def is_ready(self, endpoint: str) -> bool:
        self.asked += 1
        self.places.add(endpoint)
        return self.ready(self.asked)


class Delivering:
    """Delivers messages by those calls, and knows what is told of the agent."""

    def __init__(self, calls: Calls, **options: Any) -> None:
        self.calls, self.readiness = calls, Readiness()
        self.availability = AgentAvailability(AgentId("echo"), self.readiness)
        given: Any = {"attempts": 3, "longest_pause_s": 0.001, **options}
        client: Any = calls
        self.delivery = AgentDelivery(client, self.availability, **given)

    async def deliver(self, offset: int = 0) -> Settled:
        async with asyncio.timeout(10):
            return await self.delivery.deliver(replace(MESSAGE, offset=offset), lambda: HOME)

    @property
    def away_because(self) -> str | None:
        return self.availability.absence.why if self.availability.absence else None


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0)


async def settled(*outcomes: Outcome, ready: Callable[[int], bool] = lambda _: True, **options: Any) -> Any:
    calls = Calls(*outcomes, ready=ready)
    outcome = await Delivering(calls, **options).deliver()
    assert calls.places == {HOME}
    assert set(calls.posted) == {MESSAGE}
    return outcome, len(calls.posted)


def dies(asked: int) -> bool:
    """Say that the agent is there before each call, and gone after it: it is asked before and after."""
    return asked % 2 == 1


async def test_a_message_that_its_agent_dies_of_alone_three_times_is_poison() -> None:
    outcome, calls = await settled(*[HUNG_UP] * 9, ready=dies)
    assert outcome == Poisoned("the agent died 3 times with this message alone")
    assert calls == 2 + 3


@pytest.mark.parametrize("deaths", [1, 2])
async def test_how_often_an_agent_may_die_of_a_message_is_a_setting(deaths: int) -> None:
    outcome, calls = await settled(*[HUNG_UP] * 9, ready=dies, deaths=deaths)
    assert isinstance(outcome, Poisoned)
    assert calls == 2 + deaths


async def test_two_connections_that_broke_are_no_death_and_the_third_call_may_succeed() -> None:
    assert await settled(HUNG_UP, HUNG_UP, deaths=1, attempts=1) == (Done(), 3)


async def test_an_agent_that_hangs_up_and_lives_used_an_attempt_and_its_words_are_kept() -> None:
    outcome, calls = await settled(*[HUNG_UP] * 9, attempts=2)
    assert outcome == Failed("2 attempts; the last: ReadError: gone")
    assert calls == 2 + 2


async def test_a_suspect_is_delivered_to_no_agent_that_is_not_ready_and_that_is_told() -> None:
    there = False
    calls = Calls(HUNG_UP, HUNG_UP, ready=lambda _: there)
    given = Delivering(calls)
    delivery = asyncio.create_task(given.deliver())
    await until(lambda: given.away_because == "not ready, after a connection broke")
    await until(lambda: calls.asked == 4)
    assert len(calls.posted) == 2
    there = True
    assert await delivery == Done()
    assert calls.places == {HOME}


async def test_a_suspect_that_is_refused_is_settled() -> None:
    assert await settled(HUNG_UP, HUNG_UP, Refused("no")) == (Refused("no"), 3)


async def test_an_agent_that_is_gone_after_it_gave_no_answer_may_have_died_of_the_message() -> None:
    late = Failed("no answer in time", late=True)
    before_it_is_alone_and_when_it_came_back = {3, 6}
    calls = Calls(*[late] * 9, ready=before_it_is_alone_and_when_it_came_back.__contains__)
    given = Delivering(calls, deaths=1)
    delivery = asyncio.create_task(given.deliver())
    await until(lambda: given.away_because)
    assert given.away_because == "gone: no answer in time"
    assert isinstance(await delivery, Poisoned)
    assert len(given.calls.posted) == 2 + 1


async def test_an_agent_that_fails_while_it_is_not_ready_is_away_and_nothing_is_at_fault() -> None:
    given = Delivering(Calls(*[Failed("HTTP 500")] * 9, ready=lambda _: False), attempts=1)
    delivery = asyncio.create_task(given.deliver())
    await until(lambda: given.away_because)
    assert given.away_because == "not ready: HTTP 500"
    assert given.delivery.failing == 0
    assert await delivery == Done()
    assert len(given.calls.posted) == 10


async def test_what_failed_every_time_is_given_up_with_the_last_of_the_agents_words() -> None:
    last = [Failed("HTTP 500: one"), Failed("no answer in time", late=True), Failed("HTTP 500: three")]
    assert await settled(*last) == (Failed("3 attempts; the last: HTTP 500: three"), 3)


async def turned_away(given: Delivering) -> tuple[Settled, int]:
    """Deliver a message and, whenever it was turned away, another one."""
    delivery = asyncio.create_task(given.deliver())
    other = 0
    while not delivery.done():
        seen = len(given.calls.outcomes[0])
        await until(lambda seen=seen: delivery.done() or len(given.calls.outcomes[0]) < seen)  # type: ignore[misc]
        other += 1
        await given.deliver(other)
    return await delivery, other


async def test_a_message_that_is_turned_away_while_others_are_taken_is_given_up() -> None:
    outcome, _ = await turned_away(Delivering(Calls(*[BUSY] * 50), turned_away_s=0.0))
    assert outcome == Failed("turned away 3 times while others were taken: HTTP 503: busy")


async def test_a_message_is_not_given_up_while_nothing_else_is_taken() -> None:
    assert await settled(*[BUSY] * 20, turned_away_s=0.0) == (Done(), 21)


async def test_a_message_is_not_given_up_before_it_was_turned_away_for_long() -> None:
    outcome, _ = await turned_away(Delivering(Calls(*[BUSY] * 20)))
    assert outcome == Done()


async def test_a_message_that_is_turned_away_by_an_agent_that_is_not_ready_is_never_given_up() -> None:
    calls = Calls(*[BUSY] * 20, ready=lambda _: False)
    outcome, _ = await turned_away(Delivering(calls, turned_away_s=0.0))
    assert outcome == Done()


async def test_an_agent_that_takes_others_is_there_whatever_it_says_to_one_message() -> None:
    given = Delivering(Calls(*[BUSY] * 1000))
    delivery = asyncio.create_task(given.deliver())
    await until(lambda: given.away_because == BUSY.detail)
    assert given.readiness.impaired
    assert await given.deliver(1) == Done()
    assert given.away_because is None
    again = len(given.calls.posted) + 5
    while len(given.calls.posted) < again:
        assert given.away_because is None
        assert not given.readiness.impaired
        await asyncio.sleep(0)
    delivery.cancel()


async def test_what_failed_before_and_is_under_way_is_counted_once_and_until_it_is_settled() -> None:
    calls = Calls(*[Failed("HTTP 500")] * 7)
    calls.outcomes[1] = [HUNG_UP, HUNG_UP, Failed("HTTP 500"), Failed("HTTP 500")]
    given = Delivering(calls, attempts=8)
    assert given.delivery.failing == 0
    deliveries = [asyncio.create_task(given.deliver(offset)) for offset in (0, 1)]
    await until(lambda: given.delivery.failing == 2)
    highest = 0
    while not all(one.done() for one in deliveries):
        highest = max(highest, given.delivery.failing)
        await asyncio.sleep(0)
    assert highest == 2
    assert [await one for one in deliveries] == [Done(), Done()]
    assert given.delivery.failing == 0


async def test_a_message_that_failed_and_is_cancelled_is_not_under_way_any_more() -> None:
    given = Delivering(Calls(*[Failed("HTTP 500")] * 1000), attempts=1000)
    delivery = asyncio.create_task(given.deliver())
    await until(lambda: given.delivery.failing)
    delivery.cancel()
    await asyncio.gather(delivery, return_exceptions=True)
    assert given.delivery.failing == 0


async def test_the_circuit_opens_when_five_messages_failed_and_says_what_they_failed_of() -> None:
    calls = Calls(*[Failed("HTTP 500: oh")] * 1000)
    calls.outcomes.update({offset: [Failed("HTTP 500: oh")] * 1000 for offset in range(1, 5)})
    given = Delivering(calls, attempts=1000)
    deliveries = [asyncio.create_task(given.deliver(offset)) for offset in range(4)]
    await until(lambda: len(calls.posted) > 40)
    assert given.availability.told()["circuit"] == "closed"
    assert not given.readiness.impaired
    deliveries.append(asyncio.create_task(given.deliver(4)))
    await until(lambda: given.availability.told()["circuit"] != "closed")
    await until(lambda: given.readiness.impaired)
    assert given.readiness.impaired[0].endswith("HTTP 500: oh")
    assert given.away_because is None
    for one in deliveries:
        one.cancel()


async def test_one_message_that_fails_by_itself_opens_no_circuit() -> None:
    given = Delivering(Calls(*[Failed("HTTP 500")] * 3), attempts=3, opens_after=2)
    delivery = asyncio.create_task(given.deliver())
    while not delivery.done():
        assert given.availability.told()["circuit"] == "closed"
        await asyncio.sleep(0)
    assert isinstance(await delivery, Failed)


@pytest.mark.parametrize("good", [Done(), Refused("not mine")])
async def test_one_that_is_settled_closes_the_circuit_that_others_opened(good: Outcome) -> None:
    calls = Calls(*[Failed("HTTP 500")] * 1000)
    calls.outcomes[1] = [good]
    given = Delivering(calls, attempts=1000, opens_after=1)
    delivery = asyncio.create_task(given.deliver())
    await until(lambda: given.availability.told()["circuit"] != "closed")
    assert await given.deliver(1) == good
    assert given.availability.told()["circuit"] == "closed"
    seen = len(calls.posted)
    await until(lambda: len(calls.posted) > seen + 3)
    assert given.availability.told()["circuit"] == "closed"  # what fails now fails by itself
    delivery.cancel()


async def test_no_more_calls_are_under_way_than_there_are_turns() -> None:
    inside = highest = 0

    class Slow(Calls):
        async def post(self, original: Record, endpoint: str) -> Outcome:
            nonlocal inside, highest
            inside += 1
            highest = max(highest, inside)
            await asyncio.sleep(0.001)
            inside -= 1
            return await super().post(original, endpoint)

    for options, most in (({}, 16), ({"at_once": 3}, 3)):
        highest = 0
        given = Delivering(Slow(), **options)
        assert set(await asyncio.gather(*map(given.deliver, range(40)))) == {Done()}
        assert highest == most


async def test_a_message_that_is_turned_away_for_the_first_time_may_come_again_whatever_others_did() -> None:
    given = Delivering(Calls(BUSY), attempts=1, turned_away_s=0.0)
    assert await given.deliver(1) == Done()
    assert await given.deliver() == Done()


async def test_a_message_rests_as_long_as_the_agent_asks_for() -> None:
    clock = asyncio.get_running_loop().time
    began = clock()
    assert await settled(Away("busy", retry_after=0.05, answered=True)) == (Done(), 2)
    assert clock() - began >= 0.05


async def test_a_rest_that_an_agent_asks_for_which_is_not_there_is_kept_by_all_messages() -> None:
    clock = asyncio.get_running_loop().time
    given = Delivering(Calls(Away("starting", retry_after=0.05)), opens_after=1)
    began = clock()
    first = asyncio.create_task(given.deliver())
    await until(lambda: given.away_because)
    assert await given.deliver(1) == Done()
    assert clock() - began >= 0.05
    assert await first == Done()
