"""One record is read by where it lies."""

import asyncio
import uuid

from signalbox.kafka import KafkaSettings, Producer, TopicSpec, apply, read_at
from signalbox.protocol.records import Draft


async def test_one_record_is_read_by_where_it_lies(kafka: KafkaSettings) -> None:
    topic = f"t-{uuid.uuid4().hex[:8]}"
    await apply(kafka, [TopicSpec(topic, 2)])
    producer = Producer(kafka, "reading-one")
    await producer.publish(*[Draft(topic, b"key", str(n).encode(), partition=1) for n in range(3)])
    await producer.close()

    found = await asyncio.to_thread(read_at, kafka, topic, 1, 1)
    assert found is not None
    assert (found.offset, found.value) == (1, b"1")


async def test_where_no_record_lies_there_is_none(kafka: KafkaSettings) -> None:
    topic = f"t-{uuid.uuid4().hex[:8]}"
    await apply(kafka, [TopicSpec(topic, 1)])
    assert await asyncio.to_thread(read_at, kafka, topic, 0, 0) is None
    assert await asyncio.to_thread(read_at, kafka, topic, 0, 99) is None
