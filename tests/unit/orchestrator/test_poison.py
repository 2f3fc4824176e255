"""What a process died of is known to its successor, and what merely waited beside it is not accused."""

import asyncio
import os
import signal
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path

import pytest

from orchestrator.poison import Deaths
from signalbox.errors import Refusal
from signalbox.reasons import Reason
from signalbox.records import Draft, Record

LIMIT = 3


def record(offset: int, timestamp_ms: int = 7) -> Record:
    return Record("agent_messages", 0, offset, b"lead", b"value", (), timestamp_ms)


async def harmless(asked: Record) -> Sequence[Draft]:
    await asyncio.sleep(0)
    return [Draft("decided", asked.key, asked.value)]


async def deadly(_: Record) -> Sequence[Draft]:
    await asyncio.sleep(0)
    os.kill(os.getpid(), signal.SIGKILL)
    return []


async def waiting(_: Record) -> Sequence[Draft]:
    await asyncio.Event().wait()
    return []


def refuse(_: Record, why: Refusal) -> Sequence[Draft]:
    return [Draft("dead_letters", why.reason.value.encode(), why.detail.encode())]


def die_of(folder: Path, offset: int) -> None:
    """Let a process of its own die while it decides on the record, with another one waiting beside it."""
    process = get_context("spawn").Process(target=_dying, args=(folder, offset))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


def _dying(folder: Path, offset: int) -> None:
    async def main() -> None:
        deaths = Deaths(folder, LIMIT)
        beside = asyncio.ensure_future(deaths.watching("s", waiting, refuse)(record(offset + 1)))
        await asyncio.sleep(0)
        await deaths.watching("s", deadly, refuse)(record(offset))
        beside.cancel()

    asyncio.run(main())


async def topics(folder: Path, asked: Record) -> list[str]:
    return [draft.topic for draft in await Deaths(folder, LIMIT).watching("s", harmless, refuse)(asked)]


async def test_after_as_many_deaths_as_the_limit_a_record_is_poison_and_its_neighbour_is_not(
    tmp_path: Path,
) -> None:
    for _ in range(LIMIT):
        die_of(tmp_path, 5)
    [draft] = await Deaths(tmp_path, LIMIT).watching("s", deadly, refuse)(record(5))
    assert (draft.topic, draft.key) == ("dead_letters", Reason.POISON.value.encode())
    assert await topics(tmp_path, record(6)) == ["decided"]


async def test_a_record_that_is_decided_after_all_is_acquitted(tmp_path: Path) -> None:
    for _ in range(LIMIT - 1):
        die_of(tmp_path, 5)
    assert await topics(tmp_path, record(5)) == ["decided"]
    die_of(tmp_path, 5)
    assert await topics(tmp_path, record(5)) == ["decided"]


async def test_another_record_at_the_same_offset_of_a_topic_made_anew_is_not_accused(tmp_path: Path) -> None:
    for _ in range(LIMIT):
        die_of(tmp_path, 5)
    assert await topics(tmp_path, record(5, timestamp_ms=8)) == ["decided"]


async def test_a_decision_that_raises_or_is_cancelled_does_so_as_if_nobody_watched(tmp_path: Path) -> None:
    async def failing(_: Record) -> Sequence[Draft]:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    deaths = Deaths(tmp_path, LIMIT)
    with pytest.raises(ZeroDivisionError):
        await deaths.watching("s", failing, refuse)(record(1))
    task = asyncio.ensure_future(deaths.watching("s", waiting, refuse)(record(2)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_process_that_ended_well_leaves_nothing_behind(tmp_path: Path) -> None:
    assert await topics(tmp_path, record(1)) == ["decided"]
    Deaths(tmp_path, LIMIT)
    assert not (tmp_path / "deaths.json").exists()
