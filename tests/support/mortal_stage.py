"""A stage whose process dies of a record that says so: ``mortal_stage.py FOLDER TOPIC``."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from orchestrator.consume.crash_journal import CrashJournal
from orchestrator.consume.wiring import stage as stage_of
from signalbox.kafka import GroupConsumer, KafkaSettings, TransactionalProducer
from signalbox.protocol import reasons
from signalbox.protocol.dead_letters import dead_letter_of
from signalbox.protocol.errors import Refusal
from signalbox.protocol.records import Draft, Record
from signalbox.telemetry import Readiness


async def decide(record: Record) -> Sequence[Draft]:
    await asyncio.sleep(0)  # others are in flight beside it
    if record.value == b"deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    return [Draft(f"{record.topic}_out", record.key, record.value)]


def refuse(record: Record, why: Refusal) -> Sequence[Draft]:
    return [dead_letter_of(record, reasons.Stage.GATE, why)]


async def main(folder: Path, topic: str) -> None:
    kafka = KafkaSettings()
    stage = stage_of(
        "mortal",
        GroupConsumer(kafka, f"{topic}-group", [topic], topic),
        TransactionalProducer(kafka, topic),
        CrashJournal(folder, limit=3).watching("mortal", decide, refuse),
        Readiness(),
        limit=64,
    )
    await stage.run(asyncio.Event())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
