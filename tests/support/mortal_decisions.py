"""Decisions that end well, wait forever, or kill the process, where a new process can import them."""

import asyncio
import os
import signal
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path

from orchestrator.consume.crash_journal import CrashJournal
from signalbox.protocol.errors import Refusal
from signalbox.protocol.records import Draft, Record

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
        deaths = CrashJournal(folder, LIMIT)
        beside = asyncio.ensure_future(deaths.watching("s", waiting, refuse)(record(offset + 1)))
        await asyncio.sleep(0)
        await deaths.watching("s", deadly, refuse)(record(offset))
        beside.cancel()

    asyncio.run(main())
