"""The Kafka wrappers against a real broker."""

import asyncio
import gc
import uuid
from collections.abc import AsyncIterator

import psutil
import pytest

from signalbox.kafka import (
    GroupConsumer,
    KafkaSettings,
    Partition,
    Producer,
    Reader,
    TopicSpec,
    TransactionalProducer,
    apply,
    await_in_sync,
    read_to_end,
)
from signalbox.kafka.consumer import Batch
from signalbox.protocol.errors import Unavailable
from signalbox.protocol.records import Draft


@pytest.fixture
def topic() -> str:
    return f"t-{uuid.uuid4().hex[:8]}"


@pytest.fixture
async def producer(kafka: KafkaSettings) -> AsyncIterator[Producer]:
    producer = Producer(kafka, "test-producer")
    yield producer
    await producer.close()


async def made(kafka: KafkaSettings, topic: str, partitions: int = 1) -> None:
    await apply(kafka, [TopicSpec(topic, partitions)])


async def polled(consumer: GroupConsumer, records: int, deadline_s: float = 20) -> list[bytes | None]:
    got: list[bytes | None] = []
    async with asyncio.timeout(deadline_s):
        while len(got) < records:
            batch = await consumer.poll(100, 0.1)
            await consumer.resume(batch.assigned)
            got += [record.value for record in batch.records]
    return got


def connections(kafka: KafkaSettings) -> int:
    """Count this process's connections to the broker."""
    port = int(kafka.bootstrap_servers.rpartition(":")[2])
    return sum(1 for one in psutil.Process().net_connections() if one.raddr and one.raddr.port == port)


async def test_a_producer_that_was_closed_has_no_connection_left(kafka: KafkaSettings, topic: str) -> None:
    await made(kafka, topic)
    gc.collect()
    before = connections(kafka)
    producer = Producer(kafka, "test-closed")
    await producer.publish(Draft(topic, b"k", b"v", ()))
    assert connections(kafka) > before
    await producer.close()
    async with asyncio.timeout(10):
        while connections(kafka) > before:
            await asyncio.sleep(0.05)
    await producer.close()


async def test_topics_are_created_once_and_a_different_partition_count_is_told_but_not_changed(
    kafka: KafkaSettings, topic: str
) -> None:
    assert [change.outcome for change in await apply(kafka, [TopicSpec(topic, 2)])] == ["created"]
    assert [change.outcome for change in await apply(kafka, [TopicSpec(topic, 2)])] == ["unchanged"]
    [differs] = await apply(kafka, [TopicSpec(topic, 3)])
    assert (differs.outcome, "2" in differs.detail, "3" in differs.detail) == ("differs", True, True)


async def test_more_replicas_than_there_are_brokers_are_waited_for_and_told(
    kafka: KafkaSettings, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signalbox.kafka.topics._TIMEOUT_S", 1.0)
    wanting = kafka.model_copy(update={"replication_factor": 3})
    with pytest.raises(Unavailable, match="3 replicas are wanted, and there are 1 brokers"):
        await apply(wanting, [TopicSpec(topic, 1)])


async def test_replicas_that_are_all_in_sync_are_not_waited_for(kafka: KafkaSettings, topic: str) -> None:
    await made(kafka, topic)
    await await_in_sync(kafka, 0)


async def test_a_published_record_is_read_back_with_its_key_headers_and_null_header(
    kafka: KafkaSettings, producer: Producer, topic: str
) -> None:
    await made(kafka, topic)
    headers = (("ce_id", b"1"), ("twice", b"a"), ("twice", b"b"), ("null", None))
    await producer.publish(Draft(topic, b"key", b"value", headers))

    [record] = await asyncio.to_thread(lambda: list(read_to_end(kafka, [topic])))

    assert (record.key, record.value, record.headers) == (b"key", b"value", headers)
    assert record.header("twice") == b"b"


async def test_an_empty_topic_is_read_to_its_end(kafka: KafkaSettings, topic: str) -> None:
    await made(kafka, topic, partitions=3)
    assert await asyncio.to_thread(lambda: list(read_to_end(kafka, [topic]))) == []


async def test_a_reader_knows_when_it_has_caught_up_and_goes_on(
    kafka: KafkaSettings, producer: Producer, topic: str
) -> None:
    await made(kafka, topic, partitions=2)
    await producer.publish(*[Draft(topic, str(n).encode(), b"old") for n in range(10)])
    reader, values = Reader(kafka, [topic], "test-reader"), []
    async with asyncio.timeout(20):
        async for batch in reader.records():
            values += [record.value for record in batch]
            if reader.caught_up and len(values) == 10:
                await producer.publish(Draft(topic, b"x", b"new"))
            if b"new" in values:
                break
    await reader.close()
    assert values.count(b"old") == 10


async def test_assigned_partitions_bring_nothing_until_they_are_resumed(
    kafka: KafkaSettings, producer: Producer, topic: str
) -> None:
    await made(kafka, topic)
    await producer.publish(Draft(topic, b"k", b"v"))
    consumer = GroupConsumer(kafka, f"g-{topic}", [topic], "test-consumer")
    await consumer.start()
    batch = Batch()
    async with asyncio.timeout(20):
        while not batch.assigned:
            batch = await consumer.poll(10, 0.1)
            assert batch.records == []
    assert batch.assigned == {Partition(topic, 0)}
    assert (await consumer.poll(10, 0.5)).records == []

    await consumer.resume(batch.assigned)
    assert await polled(consumer, 1) == [b"v"]
    await consumer.close()


async def test_a_transaction_writes_drafts_and_moves_offsets_together(
    kafka: KafkaSettings, producer: Producer, topic: str
) -> None:
    target = f"{topic}-out"
    await made(kafka, topic)
    await made(kafka, target)
    await producer.publish(Draft(topic, b"k", b"1"), Draft(topic, b"k", b"2"))
    first = GroupConsumer(kafka, f"g-{topic}", [topic], "test-first")
    transactions = TransactionalProducer(kafka, f"tx-{topic}")
    await transactions.start()
    await first.start()
    assert await polled(first, 2) == [b"1", b"2"]

    await transactions.commit([Draft(target, b"k", b"out of 1")], {Partition(topic, 0): 1}, first)
    await transactions.end_what_was_left(first)
    await first.close()
    await transactions.close()

    second = GroupConsumer(kafka, f"g-{topic}", [topic], "test-second")
    await second.start()
    assert await polled(second, 1) == [b"2"]
    await second.close()
    written = await asyncio.to_thread(lambda: list(read_to_end(kafka, [target])))
    assert [record.value for record in written] == [b"out of 1"]
