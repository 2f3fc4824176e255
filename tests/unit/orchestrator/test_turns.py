"""Who may call an agent next: what did not fail goes first, and one alone means no one beside it."""

import asyncio
from collections.abc import Callable

import pytest

from orchestrator.dispatch.circuit_breaker import CircuitBreaker, Standing
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
