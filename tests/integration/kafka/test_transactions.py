"""Transactions on Apache Kafka: fencing, aborts, a lost membership, two replicas that share partitions."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Any

import pytest

from orchestrator.consume import wiring
from orchestrator.consume.stage import Stage
from signalbox.kafka import (
    GroupConsumer,
    KafkaSettings,
    Partition,
    Producer,
    TopicSpec,
    TransactionalProducer,
    TransactionLost,
    apply,
    read_to_end,
)
from signalbox.protocol.errors import Unavailable
from signalbox.protocol.records import Draft, Record
from signalbox.telemetry import Readiness

pytestmark = pytest.mark.real_kafka


class Place:
    """A topic to read from and one to write to, and the clients of a test."""

    def __init__(self, kafka: KafkaSettings, closing: AsyncExitStack) -> None:
        self.kafka = kafka
        self.source = f"t-{uuid.uuid4().hex[:8]}"
        self.target = f"{self.source}-out"
        self._closing = closing

    async def made(self, partitions: int = 1) -> None:
        await apply(self.kafka, [TopicSpec(self.source, partitions), TopicSpec(self.target, partitions)])

    async def filled(self, count: int) -> list[bytes]:
        producer = Producer(self.kafka, "filler")
        values = [str(number).encode() for number in range(count)]
        await producer.publish(*[Draft(self.source, value, value) for value in values])
        await producer.close()
        return values

    async def member(self) -> GroupConsumer:
        consumer = GroupConsumer(self.kafka, f"g-{self.source}", [self.source], "member")
        self._closing.push_async_callback(consumer.close)
        await consumer.start()
        return consumer

    async def producer(self, name: str) -> TransactionalProducer:
        producer = TransactionalProducer(self.kafka, f"tx-{self.source}-{name}")
        self._closing.push_async_callback(producer.close)
        await producer.start()
        return producer

    async def written(self) -> list[bytes | None]:
        records = await asyncio.to_thread(lambda: list(read_to_end(self.kafka, [self.target])))
        return [record.value for record in records]

    def draft(self, value: bytes) -> Draft:
        return Draft(self.target, b"k", value)

    def upto(self, offset: int) -> dict[Partition, int]:
        return {Partition(self.source, 0): offset}


@pytest.fixture
async def place(kafka: KafkaSettings) -> AsyncIterator[Place]:
    async with AsyncExitStack() as closing:
        yield Place(kafka, closing)


async def polled(consumer: GroupConsumer, count: int) -> list[bytes | None]:
    got: list[bytes | None] = []
    async with asyncio.timeout(30):
        while len(got) < count:
            batch = await consumer.poll(100, 0.1)
            await consumer.resume(batch.assigned)
            got += [record.value for record in batch.records]
    return got


async def test_a_newer_producer_with_the_same_id_fences_the_older_one(place: Place) -> None:
    await place.made()
    await place.filled(1)
    member = await place.member()
    await polled(member, 1)
    older = await place.producer("same")
    newer = await place.producer("same")

    with pytest.raises(TransactionLost):
        await older.commit([place.draft(b"of the older")], place.upto(1), member)
    await newer.commit([place.draft(b"of the newer")], place.upto(1), member)

    assert await place.written() == [b"of the newer"]


async def test_a_fenced_producer_that_starts_again_fences_the_other(place: Place) -> None:
    await place.made()
    await place.filled(1)
    member = await place.member()
    await polled(member, 1)
    older, newer = await place.producer("same"), await place.producer("same")
    with pytest.raises(TransactionLost):
        await older.commit([place.draft(b"lost")], place.upto(1), member)

    await older.start()
    await older.commit([place.draft(b"after starting again")], place.upto(1), member)

    with pytest.raises(TransactionLost):
        await newer.commit([place.draft(b"of the newer")], place.upto(1), member)
    assert await place.written() == [b"after starting again"]


class Stale:
    """What a consumer said of its membership before it lost it."""

    def __init__(self, metadata: Any) -> None:
        self._metadata = metadata

    async def group_metadata(self) -> Any:
        return self._metadata


async def test_a_commit_of_a_lost_membership_is_refused_and_nothing_of_it_is_read(place: Place) -> None:
    await place.made()
    await place.filled(2)
    member = await place.member()
    await polled(member, 2)
    stale = Stale(await member.group_metadata())
    producer = await place.producer("one")
    await member.rejoin()
    assert await polled(member, 2) == [b"0", b"1"]

    with pytest.raises(Unavailable):
        await producer.commit([place.draft(b"refused")], place.upto(2), stale)  # type: ignore[arg-type]
    await producer.commit([place.draft(b"accepted")], place.upto(2), member)

    assert await place.written() == [b"accepted"]


async def test_rejoining_brings_back_exactly_what_was_not_committed(place: Place) -> None:
    await place.made()
    await place.filled(5)
    member = await place.member()
    assert len(await polled(member, 5)) == 5
    producer = await place.producer("one")
    await producer.commit([place.draft(b"out")], place.upto(3), member)

    await member.rejoin()

    assert await polled(member, 2) == [b"3", b"4"]


def stage(place: Place, replica: str) -> Stage:
    async def copied(record: Record) -> Sequence[Draft]:
        await asyncio.sleep(0.002)
        return [Draft(place.target, record.key, record.value, partition=record.partition)]

    return wiring.stage(
        f"replica {replica}",
        GroupConsumer(place.kafka, f"g-{place.source}", [place.source], f"member-{replica}"),
        TransactionalProducer(place.kafka, f"tx-{place.source}-{replica}"),
        copied,
        Readiness(),
        limit=20,
    )


async def until_written(place: Place, count: int) -> list[bytes | None]:
    async with asyncio.timeout(60):
        while len(written := await place.written()) < count:
            await asyncio.sleep(0.2)
    return written


async def test_two_replicas_share_partitions_and_each_record_has_one_outcome(place: Place) -> None:
    await place.made(partitions=4)
    first_half = await place.filled(300)
    stopping_a, stopping_b = asyncio.Event(), asyncio.Event()
    a = asyncio.create_task(stage(place, "a").run(stopping_a))
    await until_written(place, 50)
    b = asyncio.create_task(stage(place, "b").run(stopping_b))  # joins while a is at work
    await until_written(place, len(first_half))
    second_half = await place.filled(300)
    await until_written(place, len(first_half) + 50)
    stopping_a.set()  # leaves while both are
    await a
    written = await until_written(place, len(first_half) + len(second_half))
    stopping_b.set()
    await b
    assert sorted(map(str, written)) == sorted(map(str, first_half + second_half))


async def test_two_replicas_with_the_same_id_end_with_one_of_them_and_no_outcome_twice(place: Place) -> None:
    await place.made(partitions=4)
    values = await place.filled(300)
    stopping = asyncio.Event()
    both = [asyncio.create_task(stage(place, "same").run(stopping)) for _ in range(2)]
    written = await until_written(place, len(values))
    stopping.set()
    await asyncio.gather(*both, return_exceptions=True)
    assert sorted(map(str, written)) == sorted(map(str, values))
