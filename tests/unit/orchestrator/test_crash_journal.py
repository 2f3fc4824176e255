"""What a process died of is known to its successor, and what merely waited beside it is not accused."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from mortal_decisions import LIMIT, deadly, die_of, harmless, record, refuse, waiting
from orchestrator.consume.crash_journal import CrashJournal
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Draft, Record


async def topics(folder: Path, asked: Record) -> list[str]:
    return [draft.topic for draft in await CrashJournal(folder, LIMIT).watching("s", harmless, refuse)(asked)]


async def test_after_as_many_deaths_as_the_limit_a_record_is_poison_and_its_neighbour_is_not(
    tmp_path: Path,
) -> None:
    for _ in range(LIMIT):
        die_of(tmp_path, 5)
    [draft] = await CrashJournal(tmp_path, LIMIT).watching("s", deadly, refuse)(record(5))
    assert (draft.topic, draft.key) == ("dead_letters", Reason.POISON.value.encode())
    assert await topics(tmp_path, record(6)) == ["decided"]


async def test_a_record_that_is_decided_after_all_is_acquitted(tmp_path: Path) -> None:
    for _ in range(LIMIT - 1):
        die_of(tmp_path, 5)
    assert await topics(tmp_path, record(5)) == ["decided"]
    die_of(tmp_path, 5)
    assert await topics(tmp_path, record(5)) == ["decided"]


class Killed(Exception):
    """Ends a decision where a process would have died."""


async def left_by_a_death(folder: Path, asked: Record) -> bytes:
    """Return what stays noted down when a process dies while it decides on the record."""
    left_behind = b""

    async def killed(_: Record) -> Sequence[Draft]:
        nonlocal left_behind
        left_behind = (folder / "at_work").read_bytes()
        raise Killed

    with pytest.raises(Killed):
        await CrashJournal(folder, LIMIT).watching("s", killed, refuse)(asked)
    return left_behind


async def test_a_death_is_counted_once_however_often_the_process_is_started_after_it(tmp_path: Path) -> None:
    left_behind = await left_by_a_death(tmp_path, record(5))
    (tmp_path / "at_work").write_bytes(left_behind)
    for _ in range(LIMIT):
        CrashJournal(tmp_path, LIMIT)
    assert await topics(tmp_path, record(5)) == ["decided"]
    for _ in range(LIMIT):
        (tmp_path / "at_work").write_bytes(left_behind)
        CrashJournal(tmp_path, LIMIT)
    assert await topics(tmp_path, record(5)) == ["dead_letters"]


async def test_an_acquittal_is_of_one_record_and_outlives_the_process(tmp_path: Path) -> None:
    dead_of = [await left_by_a_death(tmp_path, record(offset)) for offset in (5, 6)]
    for left_behind in dead_of * (LIMIT - 1):
        (tmp_path / "at_work").write_bytes(left_behind)
        CrashJournal(tmp_path, LIMIT)
    assert await topics(tmp_path, record(5)) == ["decided"]
    for left_behind in dead_of:
        (tmp_path / "at_work").write_bytes(left_behind)
        CrashJournal(tmp_path, LIMIT)
    assert await topics(tmp_path, record(5)) == ["decided"]
    assert await topics(tmp_path, record(6)) == ["dead_letters"]


async def test_a_process_that_ends_between_two_steps_accuses_nothing(tmp_path: Path) -> None:
    asking = asyncio.ensure_future(CrashJournal(tmp_path, 1).watching("s", waiting, refuse)(record(5)))
    await asyncio.sleep(0)
    assert await topics(tmp_path, record(6)) == ["decided"]
    assert not (tmp_path / "deaths.json").exists()
    asking.cancel()


async def test_another_record_at_the_same_offset_of_a_topic_made_again_is_not_accused(tmp_path: Path) -> None:
    for _ in range(LIMIT):
        die_of(tmp_path, 5)
    assert await topics(tmp_path, record(5, timestamp_ms=8)) == ["decided"]


async def test_a_decision_that_raises_or_is_cancelled_does_so_as_if_nobody_watched(tmp_path: Path) -> None:
    async def failing(_: Record) -> Sequence[Draft]:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    deaths = CrashJournal(tmp_path, LIMIT)
    with pytest.raises(ZeroDivisionError):
        await deaths.watching("s", failing, refuse)(record(1))
    task = asyncio.ensure_future(deaths.watching("s", waiting, refuse)(record(2)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_process_that_ended_well_leaves_nothing_behind(tmp_path: Path) -> None:
    assert await topics(tmp_path, record(1)) == ["decided"]
    CrashJournal(tmp_path, LIMIT)
    assert not (tmp_path / "deaths.json").exists()


@pytest.mark.parametrize("stage", ["s" * 2000, "\ud800", "ä" * 600])
async def test_a_name_that_does_not_fit_its_note_is_noted_all_the_same(tmp_path: Path, stage: str) -> None:
    deaths = CrashJournal(tmp_path, LIMIT)
    [draft] = await deaths.watching(stage, harmless, refuse)(record(6))
    assert draft.topic == "decided"


@pytest.mark.parametrize("text", ["[]", "3", '{"a": "b"}', '{"a": null}'])
async def test_a_file_of_deaths_that_nobody_of_us_wrote_accuses_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "deaths.json").write_text(text)
    assert await topics(tmp_path, record(5)) == ["decided"]


def counted(name: str) -> float:
    return REGISTRY.get_sample_value(f"signalbox_{name}_total") or 0


async def test_each_death_and_each_record_that_is_poison_is_counted_and_told_with_its_number(
    tmp_path: Path,
) -> None:
    left_behind = await left_by_a_death(tmp_path, record(5))
    deaths, poison = counted("deaths"), counted("poison")
    for number in range(1, LIMIT + 1):
        assert await topics(tmp_path, record(5)) == ["decided"]
        (tmp_path / "deaths.json").write_text(json.dumps({"s agent_messages/0/5@7": number - 1}))
        (tmp_path / "at_work").write_bytes(left_behind)
        CrashJournal(tmp_path, LIMIT)
        assert json.loads((tmp_path / "deaths.json").read_text()) == {"s agent_messages/0/5@7": number}
    assert (counted("deaths"), counted("poison")) == (deaths + LIMIT, poison)
    [draft] = await CrashJournal(tmp_path, LIMIT).watching("s", deadly, refuse)(record(5))
    assert draft.value == b"the orchestrator died of it 3 times"
    assert (counted("deaths"), counted("poison")) == (deaths + LIMIT, poison + 1)


async def test_of_very_many_deaths_the_thousand_newest_are_kept(tmp_path: Path) -> None:
    left_behind = await left_by_a_death(tmp_path, record(5))
    (tmp_path / "deaths.json").write_text(json.dumps({f"s t/0/{number}@7": 1 for number in range(1000)}))
    (tmp_path / "at_work").write_bytes(left_behind)
    CrashJournal(tmp_path, LIMIT)
    kept = json.loads((tmp_path / "deaths.json").read_text())
    assert len(kept) == 1000
    assert next(iter(kept)) == "s t/0/1@7"
    assert list(kept)[-1] == "s agent_messages/0/5@7"


async def test_the_same_record_in_another_stage_is_not_accused(tmp_path: Path) -> None:
    (tmp_path / "deaths.json").write_text(json.dumps({"other agent_messages/0/5@7": LIMIT}))
    assert await topics(tmp_path, record(5)) == ["decided"]
    (tmp_path / "deaths.json").write_text(json.dumps({"s agent_messages/0/5@7": LIMIT}))
    assert await topics(tmp_path, record(5)) == ["dead_letters"]


async def test_what_is_noted_has_its_whole_place_and_only_while_a_step_lasts(tmp_path: Path) -> None:
    left_behind = await left_by_a_death(tmp_path, record(5))
    assert left_behind == b"s agent_messages/0/5@7".ljust(1024, b"\0")
    assert (tmp_path / "at_work").read_bytes() == bytes(1024)


def test_a_folder_that_can_not_be_written_is_told_as_a_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"^DATA_DIR must be a folder that can be written: .*file"):
        CrashJournal(tmp_path / "file", LIMIT)
