"""A group reads on where it was left; what it can't read any more is told, and never skipped in silence."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import confluent_kafka
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from signalbox.kafka import GroupConsumer, KafkaSettings, Partition, Producer, TopicSpec, apply
from signalbox.kafka.positions import OffsetsLost, OffsetsUnknown, starts
from signalbox.protocol.errors import Fatal, Unavailable
from signalbox.protocol.records import Draft


@pytest.fixture
async def topic(kafka: KafkaSettings) -> AsyncIterator[str]:
    """A topic with ten records."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    await apply(kafka, [TopicSpec(name, 1)])
    producer = Producer(kafka, "lost-offsets")
    for number in range(10):
        await producer.publish(Draft(name, b"key", str(number).encode()))
    yield name
    await producer.close()


async def read(consumer: GroupConsumer, count: int, deadline_s: float = 60) -> list[bytes | None]:
    got: list[bytes | None] = []
    async with asyncio.timeout(deadline_s):
        while len(got) < count:
            batch = await consumer.poll(count - len(got), 0.1)
            await consumer.resume(batch.assigned)
            got += [record.value for record in batch.records]
    return got


async def read_four_and_leave(kafka: KafkaSettings, topic: str, group: str) -> None:
    consumer = GroupConsumer(kafka, group, [topic], group)
    await consumer.start()
    assert (await read(consumer, 4))[:4] == [b"0", b"1", b"2", b"3"]
    await consumer.commit({Partition(topic, 0): 4})
    await consumer.close()


def delete_before(kafka: KafkaSettings, topic: str, offset: int) -> None:
    admin = AdminClient(kafka.client("lost-offsets-admin"))
    for deleted in admin.delete_records([TopicPartition(topic, 0, offset)]).values():
        deleted.result(30)


async def test_a_group_that_never_committed_begins_at_the_beginning_and_then_goes_on_where_it_was(
    kafka: KafkaSettings, topic: str
) -> None:
    group = f"g-{uuid.uuid4().hex[:8]}"
    await read_four_and_leave(kafka, topic, group)
    consumer = GroupConsumer(kafka, group, [topic], group)
    await consumer.start()
    assert await read(consumer, 6) == [b"4", b"5", b"6", b"7", b"8", b"9"]
    await consumer.close()


async def test_a_broker_that_does_not_say_where_the_group_is_is_asked_again_by_joining_again(
    kafka: KafkaSettings, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = iter(["just restarted", "not yet"])

    def asked(*question: Any) -> list[TopicPartition]:
        if why := next(silent, None):
            raise Unavailable("broker", why)
        return starts(*question)

    group = f"g-{uuid.uuid4().hex[:8]}"
    await read_four_and_leave(kafka, topic, group)
    monkeypatch.setattr("signalbox.kafka.consumer.starts", asked)
    consumer = GroupConsumer(kafka, group, [topic], group)
    await consumer.start()
    for why in ("just restarted", "not yet"):
        with pytest.raises(Unavailable, match=why):
            await read(consumer, 1)
    assert await read(consumer, 6) == [b"4", b"5", b"6", b"7", b"8", b"9"]
    await consumer.close()


@pytest.mark.real_kafka
async def test_a_transaction_that_nobody_ends_does_not_keep_a_group_from_going_on(
    kafka: KafkaSettings, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its producer is gone and its coordinator waits; a broker that forgot it would never end it."""
    group = f"g-{uuid.uuid4().hex[:8]}"
    await read_four_and_leave(kafka, topic, group)
    left = TransactionLeftOpen(kafka, group)
    await asyncio.to_thread(left.with_offset, topic, 9)
    monkeypatch.setattr("signalbox.kafka.positions._ASK_S", 1.0)
    monkeypatch.setattr("signalbox.kafka.positions._ASK_FOR_S", 1.0)
    consumer = GroupConsumer(kafka, group, [topic], group)
    await consumer.start()
    with pytest.raises(OffsetsUnknown):
        await read(consumer, 1)
    assert await read(consumer, 6) == [b"4", b"5", b"6", b"7", b"8", b"9"]
    await consumer.close()
    await asyncio.to_thread(left.end)


class TransactionLeftOpen:
    """A transaction with a group's offset in it, for as long as the test takes."""

    def __init__(self, kafka: KafkaSettings, group: str) -> None:
        own = {"transactional.id": f"left-{group}", "transaction.timeout.ms": 300_000}
        self._producer = confluent_kafka.Producer(kafka.producer("left") | own)
        self._member = confluent_kafka.Consumer(kafka.consumer("left") | {"group.id": group})

    def with_offset(self, topic: str, offset: int) -> None:
        self._producer.init_transactions(30)
        self._producer.begin_transaction()
        metadata = self._member.consumer_group_metadata()
        self._producer.send_offsets_to_transaction([TopicPartition(topic, 0, offset)], metadata, 30)

    def end(self) -> None:
        self._producer.abort_transaction(30)
        self._member.close()


@pytest.mark.real_kafka
async def test_records_that_were_deleted_before_they_were_read_stop_the_group_and_are_named(
    kafka: KafkaSettings, topic: str
) -> None:
    group = f"g-{uuid.uuid4().hex[:8]}"
    await read_four_and_leave(kafka, topic, group)
    await asyncio.to_thread(delete_before, kafka, topic, 7)

    consumer = GroupConsumer(kafka, group, [topic], group)
    await consumer.start()
    with pytest.raises(OffsetsLost, match=f"{topic}/0: offsets 4 to 6 were deleted.*ON_LOST_OFFSETS"):
        await read(consumer, 1)
    await consumer.close()


@pytest.mark.real_kafka
async def test_records_that_are_deleted_under_a_running_group_stop_it(
    kafka: KafkaSettings, topic: str
) -> None:
    group = f"g-{uuid.uuid4().hex[:8]}"
    await read_four_and_leave(kafka, topic, group)
    consumer = GroupConsumer(kafka, group, [topic], group)
    await consumer.start()
    async with asyncio.timeout(60):
        while not (batch := await consumer.poll(1, 0.1)).assigned:
            pass
    await asyncio.to_thread(delete_before, kafka, topic, 7)
    await consumer.resume(batch.assigned)
    with pytest.raises(Fatal, match=topic):
        await read(consumer, 10)
    await consumer.close()


@pytest.mark.real_kafka
async def test_a_group_goes_on_without_them_when_it_is_told_to(kafka: KafkaSettings, topic: str) -> None:
    group = f"g-{uuid.uuid4().hex[:8]}"
    await read_four_and_leave(kafka, topic, group)
    await asyncio.to_thread(delete_before, kafka, topic, 7)

    consumer = GroupConsumer(kafka, group, [topic], group, on_lost="earliest")
    await consumer.start()
    assert await read(consumer, 3) == [b"7", b"8", b"9"]
    await consumer.close()
