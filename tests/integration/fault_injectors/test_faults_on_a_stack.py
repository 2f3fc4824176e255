"""Faults that need a running stack: who leads, and records that an agent should never have written."""

import asyncio
import random
from pathlib import Path

import pytest

from fault import World
from history import MARK, Way, told_by
from injectors.forged import BrokenAnswers
from injectors.process_faults import brokers, message_leaders
from injectors.supervisor import Supervisor
from local_stack import Stack
from signalbox.kafka import KafkaSettings, read_to_end


@pytest.fixture
def struck(stack: Stack, tmp_path: Path) -> World:
    return World(run_dir=tmp_path, running=stack)


@pytest.mark.real_kafka
async def test_the_leaders_of_the_message_topic_are_brokers_of_the_stack(struck: World, stack: Stack) -> None:
    supervisor = Supervisor(stack.run_dir, struck.run_dir / "restarts.jsonl")
    leaders = await asyncio.to_thread(message_leaders, struck, supervisor)
    assert len(leaders) == 6  # one for each partition
    assert set(leaders) <= set(brokers(struck, supervisor))


async def test_answers_that_break_the_contract_are_refused_for_the_reason_that_was_noted(
    struck: World, stack: Stack, root: Path
) -> None:
    fault = BrokenAnswers(root / "examples" / "malformed")
    await fault.inject(struck, random.Random(1))
    await fault.heal(struck)
    noted = {one.number: one for one in told_by(struck.run_dir / "history.jsonl").sendings}
    assert len(noted) == 5
    assert {one.way for one in noted.values()} == {Way.MALFORMED}
    settings = KafkaSettings(bootstrap_servers=stack.env["KAFKA_BOOTSTRAP_SERVERS"])
    refused: dict[int, str] = {}
    async with asyncio.timeout(60):
        while len(refused) < len(noted):
            await asyncio.sleep(0.2)
            for dead_letter in await asyncio.to_thread(
                lambda: list(read_to_end(settings, ["agent_messages_dlt"]))
            ):
                mark = dead_letter.header(MARK)
                if mark is not None and int(mark) in noted:
                    refused[int(mark)] = (dead_letter.header("dl_reason") or b"").decode()
    assert refused == {number: one.reason for number, one in noted.items()}
