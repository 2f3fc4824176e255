"""A record that kills its process is found and set aside; a crash loop ends, and no one else is accused."""

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import mortal_stage
from signalbox.kafka import KafkaSettings, Producer, TopicSpec, apply, read_to_end
from signalbox.protocol.dead_letters import DeadLetter
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Draft, Record

RECORDS = 30


def started(kafka: KafkaSettings, folder: Path, topic: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, mortal_stage.__file__, str(folder), topic],
        env={**os.environ, "KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers},
    )


async def test_a_record_that_kills_its_process_is_dead_lettered_after_three_deaths(
    kafka: KafkaSettings, tmp_path: Path
) -> None:
    topic = f"mortal-{uuid.uuid4().hex[:8]}"
    out, dead_letters = f"{topic}_out", f"{topic}_dlt"
    await apply(kafka, [TopicSpec(name, 1) for name in (topic, out, dead_letters)])
    values = [b"deadly" if number == 10 else str(number).encode() for number in range(RECORDS)]
    producer = Producer(kafka, "poison-test")
    await producer.publish(*[Draft(topic, value, value, (("h", b"1"),), partition=0) for value in values])
    await producer.close()

    async def written(name: str) -> list[Record]:
        return await asyncio.to_thread(lambda: list(read_to_end(kafka, [name])))

    deaths: list[int] = []
    process = started(kafka, tmp_path, topic)
    try:
        async with asyncio.timeout(240):
            while len(await written(out)) < RECORDS - 1:
                if (status := process.poll()) is not None:
                    deaths.append(status)
                    process = started(kafka, tmp_path, topic)
                await asyncio.sleep(0.2)
    finally:
        process.kill()
        process.wait()

    assert deaths == [-signal.SIGKILL] * 3
    [record] = await written(dead_letters)
    dead_letter = DeadLetter.of(record)
    assert (dead_letter.reason, dead_letter.original.value, dead_letter.original.headers) == (
        Reason.POISON,
        b"deadly",
        (("h", b"1"),),
    )
    assert [record.value for record in await written(out)] == [
        value for value in values if value != b"deadly"
    ]
