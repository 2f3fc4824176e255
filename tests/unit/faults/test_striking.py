"""Faults strike alone, then together; each is healed, and what can't be healed ends the run."""

import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import striking
from fault import Kind, World
from history import History, told_by
from striking import NotHealed, Striking


@dataclass
class Noted:
    """A fault that writes down what is done with it."""

    name: str
    log: list[str]
    kind: Kind = Kind.PROCESS
    heals: bool = True
    strikes: bool = True
    there: set[str] = field(default_factory=set)

    async def inject(self, world: World, rng: random.Random) -> str:
        self.log.append(f"+{self.name}")
        if not self.strikes:
            raise RuntimeError("it can't strike")
        return f"{self.name} struck"

    async def heal(self, world: World) -> None:
        self.log.append(f"-{self.name}")
        if not self.heals:
            raise RuntimeError("it can't be healed")


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(striking, "_HELD_S", (0.0, 0.0))
    monkeypatch.setattr(striking, "_BETWEEN_S", (0.0, 0.001))


def striking_in(tmp_path: Path, seed: int = 1) -> tuple[Striking, History]:
    history = History(tmp_path / "history.jsonl")
    history.path.touch()
    return Striking(World(tmp_path), history, random.Random(seed), lambda _: None), history


async def test_each_strikes_once_and_is_healed_before_the_next(tmp_path: Path) -> None:
    log: list[str] = []
    strikes, history = striking_in(tmp_path)

    await strikes.each_alone([Noted(name, log) for name in "abc"])

    assert sorted(log[::2]) == ["+a", "+b", "+c"]
    assert [one[1] for one in log[::2]] == [one[1] for one in log[1::2]]
    assert len(told_by(history.path).injections) == 3


async def test_several_strike_together_and_the_last_is_healed_first(tmp_path: Path) -> None:
    log: list[str] = []
    strikes, _ = striking_in(tmp_path)

    await strikes.combined([Noted(name, log) for name in "ab"], rounds=2)

    assert len(log) == 8
    struck, healed = log[:2], log[2:4]
    assert {one[0] for one in struck} == {"+"}
    assert [one[1] for one in healed] == [one[1] for one in reversed(struck)]


async def test_the_order_is_the_seeds(tmp_path: Path) -> None:
    logs: list[list[str]] = [[], [], []]
    for log, seed in zip(logs, (1, 1, 2), strict=True):
        await striking_in(tmp_path, seed)[0].each_alone([Noted(name, log) for name in "abcdefgh"])

    assert logs[0] == logs[1] != logs[2]


async def test_a_fault_that_fails_to_strike_is_healed_and_the_failure_is_told(tmp_path: Path) -> None:
    log: list[str] = []
    strikes, _ = striking_in(tmp_path)

    await strikes.each_alone([Noted("a", log, strikes=False)])

    assert log == ["+a", "-a"]
    assert "a could not strike" in strikes.trouble[0]


async def test_what_can_not_be_healed_ends_the_run(tmp_path: Path) -> None:
    strikes, history = striking_in(tmp_path)

    with pytest.raises(NotHealed, match="a could not be healed"):
        await strikes.each_alone([Noted("a", [], heals=False)])

    [told] = told_by(history.path).injections
    assert told.healed_at is None
