"""Who has a seat among the agents, who waits for one, and what the operator is told of those who wait."""

from types import SimpleNamespace
from typing import Any

import pytest

from signalbox.protocol.names import AgentId
from signalbox.protocol.records import Record
from signalbox_decide.seats import FULL, Seats, WaitingList

A, B, C, D = map(AgentId, "abcd")


def announcement(agent: str, offset: int = 0) -> Record:
    return Record("agent_registry", 0, offset, agent.encode(), b"registration")


class Waiting:
    """A list of a few places, and what was reported of it."""

    def __init__(self, places: int = 10) -> None:
        self.told: list[tuple[str, str | None]] = []
        self.list = WaitingList(places, lambda part, why: self.told.append((part, why)))

    def add(self, *agents: AgentId, offset: int = 0) -> None:
        for agent in agents:
            self.list.add(agent, announcement(agent, offset))

    @property
    def says(self) -> str | None:
        part, why = self.told[-1]
        assert part == "agent registrations"
        return why


def test_a_seat_is_kept_for_each_service_that_the_catalog_names_in_any_place() -> None:
    entry = SimpleNamespace(producers=["a"], consumers=["b"])
    catalog: Any = SimpleNamespace(records={"x.Y": entry}, clients={"c": SimpleNamespace()})
    seats = Seats.of(catalog, 8)
    assert (seats.limit, seats.kept) == (8, 3)
    strangers = [AgentId(f"stranger-{number}") for number in range(5)]
    assert all(seats.has_one_for(agent, strangers) for agent in (A, B, C))
    assert not seats.has_one_for(D, strangers)


def test_the_last_seat_that_is_not_kept_is_given_and_who_has_one_stays() -> None:
    seats = Seats(4, [A, B])
    assert seats.has_one_for(C, [A, B])
    assert seats.has_one_for(D, [A, B, C])
    assert not seats.has_one_for(AgentId("e"), [A, B, C, D])
    assert seats.has_one_for(D, [A, B, C, D])
    assert not seats.has_one_for(AgentId("e"), [C, D])  # the others' seats are kept while they are away


@pytest.mark.parametrize(("limit", "kept"), [(8, 3), (6, 3), (5, 2), (1, 0)])
def test_at_most_half_of_the_seats_are_kept(limit: int, kept: int) -> None:
    assert Seats(limit, [A, B, C]).kept == kept


def test_who_waits_longest_comes_in_first_with_the_newest_of_its_announcements() -> None:
    waiting = Waiting()
    waiting.add(A, B)
    waiting.add(A, offset=7)
    assert waiting.list.next() == announcement("a", 7)
    assert waiting.list.next() == announcement("b")
    assert waiting.list.next() is None


def test_no_more_wait_than_there_are_places_and_who_waits_may_announce_itself_again() -> None:
    waiting = Waiting(places=2)
    waiting.add(A, B, C)
    waiting.add(A, B, offset=7)
    assert [waiting.list.next(), waiting.list.next()] == [announcement("a", 7), announcement("b", 7)]
    assert waiting.list.next() is None


def test_who_was_removed_waits_no_more() -> None:
    waiting = Waiting()
    waiting.add(A, B)
    waiting.list.leave(A)
    assert waiting.says == f"1 or more refused (b): {FULL}"
    told = len(waiting.told)
    waiting.list.leave(C)
    assert len(waiting.told) == told
    assert waiting.list.next() == announcement("b")


def test_the_operator_is_told_how_many_wait_and_the_first_five_until_none_does() -> None:
    waiting = Waiting()
    waiting.add(A)
    assert waiting.says == f"1 or more refused (a): {FULL}"
    waiting.add(B, C, D, AgentId("e"), AgentId("f"))
    assert waiting.says == f"6 or more refused (a, b, c, d, e): {FULL}"
    for _ in range(6):
        waiting.list.next()
    assert waiting.says is None
