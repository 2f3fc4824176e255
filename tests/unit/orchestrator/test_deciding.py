"""Decisions on the records of one key begin in their order, and what is over is not kept."""

import asyncio
import gc
import weakref
from collections import defaultdict
from collections.abc import Sequence

import pytest
from prometheus_client import REGISTRY

from orchestrator.consume.deciding import Deciding
from signalbox.protocol.errors import Fatal, Unavailable
from signalbox.protocol.records import Draft, Record
from signalbox.telemetry import Readiness


class Decisions:
    """Decides one record of a key at a time; each takes until its event is set."""

    def __init__(self) -> None:
        self.go: defaultdict[int, asyncio.Event] = defaultdict(asyncio.Event)
        self.begun: list[int] = []
        self.deciding = Deciding(
            "test", self._decide, Readiness(), one_at_a_time_per_key=True, fault_pause_s=0.0
        )

    async def _decide(self, record: Record) -> Sequence[Draft]:
        self.begun.append(record.offset)
        await self.go[record.offset].wait()
        return []

    def begin(self, offset: int, key: bytes | None = b"lead") -> asyncio.Task[Sequence[Draft]]:
        return self.deciding.begin(Record("agent_messages", 0, offset, key, b"value"))

    async def until_begun(self, offset: int) -> None:
        async with asyncio.timeout(5):
            while offset not in self.begun:
                await asyncio.sleep(0)


@pytest.mark.parametrize("key", [b"lead", None])
async def test_the_end_of_an_older_decision_of_a_key_lets_none_begin_beside_the_newer_one(
    key: bytes | None,
) -> None:
    decisions = Decisions()
    first, second = decisions.begin(0, key), decisions.begin(1, key)
    decisions.go[0].set()
    await first
    await decisions.until_begun(1)

    third = decisions.begin(2, key)
    other = decisions.begin(
        3, b"another lead"
    )  # what may begin has begun when this one has, which came later
    await decisions.until_begun(3)
    assert decisions.begun == [0, 1, 3]

    for offset in (1, 2, 3):
        decisions.go[offset].set()
    await asyncio.gather(second, third, other)
    assert decisions.begun == [0, 1, 3, 2]


async def test_a_decision_that_was_given_up_holds_the_next_of_its_key_no_longer() -> None:
    decisions = Decisions()
    first, second = decisions.begin(0), decisions.begin(1)
    await decisions.until_begun(0)
    first.cancel()
    await decisions.until_begun(1)
    decisions.go[1].set()
    await second


async def test_a_decision_that_is_over_is_not_kept() -> None:
    decisions = Decisions()
    task = decisions.begin(0)
    decisions.go[0].set()
    await task
    kept = weakref.ref(task)
    del task
    await asyncio.sleep(0)  # what was to be told of its end has been told
    gc.collect()
    assert kept() is None


async def test_a_decision_that_fails_is_told_by_its_place_and_is_forgotten_once_it_succeeds() -> None:
    readiness = Readiness()
    told: list[list[str]] = []

    async def decide(_: Record) -> Sequence[Draft]:
        told.append(readiness.impaired)
        if len(told) < 3:
            raise KeyError("a fault")
        return []

    deciding = Deciding("test", decide, readiness, one_at_a_time_per_key=False, fault_pause_s=0.0)
    assert await deciding.begin(Record("agent_messages", 3, 17, b"lead", b"value")) == []
    place = "test agent_messages/3/17: its decision fails; see the log"
    assert told == [[], [place], [place]]
    assert readiness.impaired == []


async def test_a_fatal_error_ends_a_decision_at_once() -> None:
    async def decide(_: Record) -> Sequence[Draft]:
        raise Fatal("the end")

    deciding = Deciding("test", decide, Readiness(), one_at_a_time_per_key=False, fault_pause_s=0.0)
    with pytest.raises(Fatal, match="the end"):
        await deciding.begin(Record("agent_messages", 3, 17, b"lead", b"value"))


async def test_each_failure_of_a_decision_is_counted_for_its_stage_until_the_stage_ends() -> None:
    def counted() -> float | None:
        return REGISTRY.get_sample_value("signalbox_decision_faults_total", {"stage": "faulty"})

    faults = [KeyError("one"), ValueError("two")]

    async def decide(_: Record) -> Sequence[Draft]:
        if faults:
            raise faults.pop()
        return [Draft("agent_routes", b"lead", b"route")]

    deciding = Deciding("faulty", decide, Readiness(), one_at_a_time_per_key=False, fault_pause_s=0.0)
    deciding.forget()
    drafts = await deciding.begin(Record("agent_messages", 3, 17, b"lead", b"value"))
    assert [draft.value for draft in drafts] == [b"route"]
    assert counted() == 2
    deciding.forget()
    assert counted() is None


async def test_while_what_a_decision_needs_is_away_that_is_told_and_it_is_no_fault() -> None:
    readiness, told = Readiness(), list[list[str]]()

    async def decide(_: Record) -> Sequence[Draft]:
        told.append(readiness.waiting_for)
        if len(told) < 2:
            raise Unavailable("model", "away")
        return []

    deciding = Deciding("test", decide, readiness, one_at_a_time_per_key=False, fault_pause_s=0.0)
    assert await deciding.begin(Record("agent_messages", 3, 17, b"lead", b"value")) == []
    assert told == [[], ["model: away"]]
    assert (readiness.ready, readiness.impaired) == (True, [])
