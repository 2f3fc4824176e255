"""Who may call an agent next: what did not fail goes first, and one alone means no one beside it."""

import asyncio
from collections.abc import Callable

import pytest

from orchestrator.dispatch.circuit_breaker import Circuit, CircuitBreaker, Standing
from orchestrator.dispatch.turns import Turns


def turns(at_once: int = 4) -> Turns:
    return Turns(at_once, CircuitBreaker(1000, lambda _: 0.0))


def as_one(standing: Standing) -> Callable[[], Standing]:
    return lambda: standing


class Room:
    """Counts who is inside, and remembers in which order they came in."""

    def __init__(self, at_once: int = 4) -> None:
        self.turns = turns(at_once)
        self.inside: list[Standing] = []
        self.order: list[Standing] = []
        self.seen: list[tuple[Standing, list[Standing]]] = []

    async def visit(self, standing: Standing) -> None:
        async with self.turns.turn(as_one(standing)):
            self.order.append(standing)
            self.inside.append(standing)
            for _ in range(3):
                await asyncio.sleep(0.001)
                self.seen.append((standing, list(self.inside)))
            self.inside.remove(standing)

    async def all_of(self, *standings: Standing) -> None:
        async with asyncio.timeout(10):
            await asyncio.gather(*map(self.visit, standings))


async def test_no_more_than_allowed_are_inside_and_half_of_them_may_have_failed() -> None:
    room = Room(at_once=4)
    await room.all_of(*[Standing.FAILED] * 10, *[Standing.NEW] * 10)
    assert max(len(inside) for _, inside in room.seen) == 4
    assert max(inside.count(Standing.FAILED) for _, inside in room.seen) == 2


@pytest.mark.parametrize("at_once", [1, 4])
async def test_one_that_failed_has_its_turn_before_all_others_had_theirs(at_once: int) -> None:
    room = Room(at_once)
    await room.all_of(*[Standing.NEW] * 50, Standing.FAILED)
    assert room.order.index(Standing.FAILED) < 10


async def test_one_that_did_not_fail_waits_for_at_most_one_that_did_where_there_is_one_turn() -> None:
    room = Room(at_once=1)
    await room.all_of(*[Standing.FAILED] * 10, *[Standing.NEW] * 5)
    assert max(at for at, standing in enumerate(room.order) if standing is Standing.NEW) <= 10


async def test_a_suspect_has_nobody_beside_it() -> None:
    room = Room()
    await room.all_of(*[Standing.NEW] * 5, *[Standing.SUSPECT] * 3, *[Standing.NEW] * 5)
    beside = [inside for standing, inside in room.seen if standing is Standing.SUSPECT]
    assert beside == [[Standing.SUSPECT]] * 9


async def test_who_gives_up_waiting_holds_nobody_back() -> None:
    room = Room()
    async with room.turns.turn(as_one(Standing.NEW)):
        waiting = asyncio.create_task(room.visit(Standing.SUSPECT))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await room.all_of(Standing.NEW, Standing.FAILED)


async def test_after_a_suspect_the_others_have_as_much_time_as_they_were_held_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr("orchestrator.dispatch.turns._now", lambda: now)
    room = Room()

    async def begun(standing: Standing) -> "asyncio.Task[None]":
        visit = asyncio.create_task(room.visit(standing))
        await asyncio.sleep(0)
        return visit

    async with asyncio.timeout(10):
        async with room.turns.turn(as_one(Standing.NEW)):
            first = await begun(Standing.SUSPECT)  # from here on the others are held back
            now = 107.0
        await first
        second = await begun(Standing.SUSPECT)
        now = 113.9
        await room.visit(Standing.NEW)
        assert not second.done()
        now = 114.0
        await room.visit(Standing.NEW)
        await second
    assert room.order == [Standing.SUSPECT, Standing.NEW, Standing.SUSPECT, Standing.NEW]


async def test_a_probe_that_is_given_up_leaves_its_place_to_the_next() -> None:
    breaker = CircuitBreaker(1, lambda _: 0.0)
    breaker.not_reached()
    line = Turns(4, breaker)
    inside = asyncio.Event()

    async def hang() -> None:
        async with line.turn(as_one(Standing.NEW)):
            inside.set()
            await asyncio.Event().wait()

    probe = asyncio.create_task(hang())
    await inside.wait()
    waiting = asyncio.create_task(line.turn(as_one(Standing.NEW)).__aenter__())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    probe.cancel()
    async with asyncio.timeout(5):
        await waiting


class Soon(CircuitBreaker):
    """Says some times that there is a moment left, and then that it is over."""

    def __init__(self, looks: int) -> None:
        super().__init__(1000, lambda _: 0.0)
        self.looks = looks

    def wait_s(self, standing: Standing) -> float | None:
        self.looks -= 1
        return 0.0 if self.looks < 0 else 0.001


@pytest.mark.parametrize("standing", [Standing.NEW, Standing.FAILED, Standing.SUSPECT])
@pytest.mark.parametrize("looks", range(6))
async def test_a_wait_that_ends_between_two_looks_at_the_clock_is_over(
    looks: int, standing: Standing
) -> None:
    async with asyncio.timeout(5), Turns(4, Soon(looks)).turn(as_one(standing)):
        pass


class Begun:
    """A call that waits for its turn, or is inside until it is told to leave."""

    def __init__(self, line: Turns, standing: Standing) -> None:
        self.standing = standing
        self.is_inside, self._may_leave = False, asyncio.Event()
        self._task = asyncio.create_task(self._visit(line))

    async def _visit(self, line: Turns) -> None:
        async with line.turn(lambda: self.standing):
            self.is_inside = True
            await self._may_leave.wait()
        self.is_inside = False

    async def leave(self) -> None:
        self._may_leave.set()
        async with asyncio.timeout(5):
            await self._task
        await asyncio.sleep(0)

    async def give_up(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.sleep(0)

    async def until_inside(self) -> None:
        async with asyncio.timeout(5):
            while not self.is_inside:
                await asyncio.sleep(0.001)


async def begun(line: Turns, *standings: Standing) -> list[Begun]:
    calls = []
    for standing in standings:
        calls.append(Begun(line, standing))
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    return calls


def inside(calls: list[Begun]) -> list[bool]:
    return [call.is_inside for call in calls]


async def test_who_gives_up_in_the_moment_of_its_turn_leaves_it_to_the_next() -> None:
    line = turns(at_once=1)
    first, second, third = await begun(line, *[Standing.NEW] * 3)
    first._may_leave.set()
    await asyncio.sleep(0)  # the second has its turn, and does not know it yet
    await second.give_up()
    await first.leave()
    assert inside([first, second, third]) == [False, False, True]
    [fourth] = await begun(line, Standing.NEW)
    assert not fourth.is_inside
    await third.leave()
    assert fourth.is_inside
    await fourth.leave()


async def test_a_probe_that_is_given_up_in_the_moment_of_its_turn_is_over() -> None:
    breaker = CircuitBreaker(1, lambda _: 0.0)
    breaker.not_reached()
    first, second = await begun(Turns(4, breaker), *[Standing.NEW] * 2)
    assert inside([first, second]) == [True, False]
    first._may_leave.set()
    await asyncio.sleep(0)
    await second.give_up()
    assert breaker.state is Circuit.OPEN
    await first.leave()


async def test_a_suspect_that_gives_up_waiting_leaves_the_hold_to_the_one_behind_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr("orchestrator.dispatch.turns._now", lambda: now)
    new, first, second, later = calls = await begun(
        turns(), Standing.NEW, Standing.SUSPECT, Standing.SUSPECT, Standing.NEW
    )
    now = 107.0
    await first.give_up()
    assert inside(calls) == [True, False, False, False]
    await new.leave()
    assert inside(calls) == [False, False, True, False]
    await second.leave()
    assert later.is_inside
    await later.leave()


async def test_a_suspect_that_gives_up_waiting_puts_no_one_beside_the_one_that_is_inside() -> None:
    first, second, new = calls = await begun(turns(), Standing.SUSPECT, Standing.SUSPECT, Standing.NEW)
    await second.give_up()
    assert inside(calls) == [True, False, False]
    await first.leave()
    assert new.is_inside
    await new.leave()


async def test_a_call_that_becomes_suspect_inside_ends_no_hold_of_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr("orchestrator.dispatch.turns._now", lambda: now)
    call, suspect = await begun(turns(), Standing.NEW, Standing.SUSPECT)
    now = 107.0
    call.standing = Standing.SUSPECT
    await call.leave()
    assert suspect.is_inside
    await suspect.leave()


async def test_calls_that_fail_inside_take_no_turns_of_those_that_failed_before() -> None:
    line = turns(at_once=4)
    news = await begun(line, Standing.NEW, Standing.NEW)
    for call in news:
        call.standing = Standing.FAILED
    failed = await begun(line, *[Standing.FAILED] * 3)
    assert inside(failed) == [True, True, False]
    await asyncio.gather(*(call.leave() for call in [*news, *failed]))


async def test_a_suspect_has_its_turn_by_itself_when_the_others_had_their_time() -> None:
    line = turns()
    new, first = await begun(line, Standing.NEW, Standing.SUSPECT)
    await asyncio.sleep(0.02)
    await new.leave()
    await first.leave()
    [second] = await begun(line, Standing.SUSPECT)
    assert not second.is_inside
    await second.until_inside()
    await second.leave()


async def test_while_the_agent_is_there_and_fails_each_kind_waits_for_its_own_moment() -> None:
    breaker = CircuitBreaker(1, lambda _: 3600.0, pace_s=0.02)
    breaker.failed("one", Standing.NEW)
    line = Turns(8, breaker)
    at_fault, failed, first, second = calls = await begun(
        line, Standing.AT_FAULT, Standing.FAILED, Standing.NEW, Standing.NEW
    )
    assert inside(calls) == [True, False, True, False]
    await second.until_inside()  # at the pace of what was never tried, and not of what failed
    assert not failed.is_inside
    breaker.succeeded()
    for call in (at_fault, first, second):
        await call.leave()
    assert failed.is_inside
    await failed.leave()


async def test_a_call_that_fails_by_itself_is_no_probe() -> None:
    breaker = CircuitBreaker(1, lambda _: 3600.0)
    breaker.failed("one", Standing.NEW)
    line = Turns(8, breaker)
    [at_fault] = await begun(line, Standing.AT_FAULT)
    assert (at_fault.is_inside, breaker.state) == (True, Circuit.OPEN)
    [new] = await begun(line, Standing.NEW)
    assert (new.is_inside, breaker.state) == (True, Circuit.HALF_OPEN)
    await at_fault.leave()
    assert breaker.state is Circuit.HALF_OPEN
    await new.leave()
    assert breaker.state is Circuit.OPEN
