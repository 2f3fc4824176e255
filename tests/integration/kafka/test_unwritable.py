"""Apache Kafka refuses what is too large, or for a place that is not there; no stage waits for that."""

import asyncio
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from confluent_kafka import Producer as Client

from memory_registry import register_committed
from orchestrator.consume.ladder import References
from orchestrator.consume.wiring import stage as stage_of
from signalbox.gate.control_records import ControlRecords
from signalbox.kafka import (
    GroupConsumer,
    KafkaSettings,
    Producer,
    TopicSpec,
    TransactionalProducer,
    apply,
    compare,
    read_at,
    read_to_end,
)
from signalbox.protocol import reasons
from signalbox.protocol.dead_letters import DeadLetter, dead_letter_of
from signalbox.protocol.errors import Refusal, Unwritable
from signalbox.protocol.lesser_dead_letters import completed, leaves_out
from signalbox.protocol.names import GOVERNANCE_AUDIT
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Draft, Record
from signalbox.telemetry import Readiness
from signalbox_agent.testing import MemoryRegistry
from signalbox_decide.decisions import Refused
from signalbox_decide.records import DecisionRecords

pytestmark = pytest.mark.real_kafka

LARGEST = 500_000
ROOM = 64 * 1024


@dataclass
class Place:
    kafka: KafkaSettings
    source: str
    audit: str
    decisions: DecisionRecords

    @property
    def dead_letters(self) -> str:
        return f"{self.source}_dlt"

    async def made(
        self, *, dead_letters: int = LARGEST + ROOM, partitions: int = 1, audit: bool = True
    ) -> None:
        specs = [
            TopicSpec(self.source, partitions, max_message_bytes=LARGEST),
            TopicSpec(self.dead_letters, 1, max_message_bytes=dead_letters),
        ]
        await apply(self.kafka, [*specs, *([TopicSpec(self.audit, 1)] if audit else [])])

    async def sent(self, *drafts: Draft, compression: str = "none") -> None:
        client = Client(
            {
                "bootstrap.servers": self.kafka.bootstrap_servers,
                "compression.type": compression,
                "message.max.bytes": 1_000_000_000,
                "acks": "all",
            }
        )
        failed: list[Any] = []
        for draft in drafts:
            client.produce(
                draft.topic,
                draft.value,
                draft.key,
                partition=draft.partition or 0,
                headers=list(draft.headers),
                on_delivery=lambda error, _: failed.append(error) if error else None,
            )
            await asyncio.to_thread(client.flush, 30)
        assert failed == []

    async def settled(self, count: int) -> list[DeadLetter]:
        """Refuse all that was sent, and return the dead letters when there are ``count``."""

        async def refused(record: Record) -> Sequence[Draft]:
            why = Refusal(Reason.HEADER_INVALID, f"ce_id is {record.header('ce_id')!r}", "ce_id")
            dead_letter, audit = self.decisions.of(Refused(record, reasons.Stage.GATE, why))
            assert audit.topic == GOVERNANCE_AUDIT
            return [dead_letter, Draft(self.audit, audit.key, audit.value, audit.headers)]

        readiness = Readiness()
        stage = stage_of(
            "test",
            GroupConsumer(self.kafka, f"g-{self.source}", [self.source], "test"),
            TransactionalProducer(self.kafka, f"tx-{self.source}"),
            refused,
            readiness,
            limit=10,
            references=References(readiness, lambda _: 3_600_000),
        )
        stopping = asyncio.Event()
        running = asyncio.create_task(stage.run(stopping))
        try:
            async with asyncio.timeout(60):
                while len(found := await self.read(self.dead_letters)) < count:
                    assert not running.done(), running.exception()
                    await asyncio.sleep(0.2)
        finally:
            stopping.set()
            await running
        return [DeadLetter.of(record) for record in found]

    async def read(self, topic: str) -> list[Record]:
        return await asyncio.to_thread(lambda: list(read_to_end(self.kafka, [topic])))


@pytest.fixture
async def place(kafka: KafkaSettings) -> Place:
    registry = MemoryRegistry()
    register_committed(registry, "control.")
    control = ControlRecords(registry)
    await control.load()
    name = f"t-{uuid.uuid4().hex[:8]}"
    return Place(kafka, name, f"{name}-audit", DecisionRecords(control))


def large(topic: str, size: int = LARGEST - 200) -> Draft:
    """A record that its topic only just takes, with an id of binary bytes."""
    return Draft(topic, b"lead", b"v", (("ce_id", random.Random(1).randbytes(size)),))


async def test_a_record_just_under_the_brokers_limit_gets_its_dead_letter_and_those_behind_it_go_on(
    place: Place,
) -> None:
    await place.made()
    with pytest.raises(AssertionError):
        await place.sent(large(place.source, LARGEST))
    await place.sent(large(place.source), Draft(place.source, b"next", b"w"))
    first, second = await place.settled(2)
    assert not leaves_out(first)
    assert first.original.headers == large(place.source).headers
    assert second.original.value == b"w"
    assert len(await place.read(place.audit)) == 2


async def test_a_record_that_came_well_compressed_gets_a_whole_dead_letter(place: Place) -> None:
    await place.made()
    value = b"\0" * 20_000_000
    await place.sent(
        Draft(place.source, b"lead", value), Draft(place.source, b"next", b"w"), compression="zstd"
    )
    first, second = await place.settled(2)
    assert first.original.value == value
    assert second.original.value == b"w"


@pytest.mark.parametrize("compression", ["zstd", "gzip", "lz4"])
async def test_a_record_that_is_larger_than_any_request_when_it_is_unpacked_holds_back_nothing(
    place: Place, compression: str
) -> None:
    await place.made()
    bomb = Draft(place.source, b"lead", b"\0" * 120_000_000)
    await place.sent(bomb, Draft(place.source, b"next", b"w"), compression=compression)
    first, second = await place.settled(2)
    assert leaves_out(first) == {"headers", "value"}
    assert second.original.value == b"w"


async def test_a_topic_of_dead_letters_that_takes_less_gets_a_reference_that_leads_back(place: Place) -> None:
    await place.made(dead_letters=100_000)
    sent = Draft(place.source, b"lead", random.Random(2).randbytes(LARGEST - 200))
    await place.sent(sent, Draft(place.source, b"next", b"w"))
    first, second = await place.settled(2)
    assert leaves_out(first) == {"headers", "value"}
    assert second.original.value == b"w"
    source = await asyncio.to_thread(read_at, place.kafka, first.topic, first.partition, first.offset)
    assert completed(first, source).original.value == sent.value


async def test_a_partition_that_the_dead_letters_lack_and_an_audit_that_is_missing_hold_back_nothing(
    place: Place,
) -> None:
    await place.made(partitions=3, audit=False)
    await place.sent(*(Draft(place.source, b"k", b"v", partition=number) for number in (0, 2, 1, 2)))
    dead_letters = await place.settled(4)
    assert sorted(dead_letter.partition for dead_letter in dead_letters) == [0, 1, 2, 2]


async def test_a_producer_is_told_at_once_what_the_broker_never_takes(place: Place) -> None:
    await place.made()
    producer = Producer(place.kafka, "test")
    try:
        async with asyncio.timeout(10):
            with pytest.raises(Unwritable, match="MSG_SIZE_TOO_LARGE"):
                await producer.publish(large(place.source, LARGEST + 1000))
            with pytest.raises(Unwritable) as misplaced:
                await producer.publish(Draft(place.source, None, b"v", partition=7))
            assert misplaced.value.misplaced
            await producer.publish(Draft(place.source, None, b"v"))
    finally:
        await producer.close()


async def test_topics_that_are_too_small_for_their_source_are_told_and_widened(place: Place) -> None:
    await place.made(dead_letters=100_000, partitions=4)
    wanted = [
        TopicSpec(place.source, 2, max_message_bytes=LARGEST),
        TopicSpec(
            place.dead_letters, 2, max_message_bytes=LARGEST + ROOM, beside=place.source, dead_letters=True
        ),
    ]
    source, dead_letters = await compare(place.kafka, wanted)
    assert (source.outcome, dead_letters.outcome) == ("differs", "differs")
    assert "takes records of 100000 bytes" in dead_letters.detail
    assert "has 1 partitions" in dead_letters.detail
    source, dead_letters = await apply(place.kafka, wanted)
    assert source.outcome == "differs"  # more partitions than wanted, for keys: no one may change that
    assert dead_letters.outcome == "widened"
    async with asyncio.timeout(15):
        while (await compare(place.kafka, wanted))[1].outcome != "unchanged":
            await asyncio.sleep(0.2)
    [missing] = await compare(place.kafka, [TopicSpec(f"{place.source}-none", 1)])
    assert missing.outcome == "missing"


def test_a_dead_letter_of_the_largest_record_has_room() -> None:
    record = Record("t", 0, 0, b"k", b"", (), 1)
    dead_letter = dead_letter_of(
        record, reasons.Stage.DISPATCH, Refusal(Reason.AGENT_REFUSED, "ä" * 9_000, "ö" * 9_000)
    )
    assert sum(len(name) + len(value or b"") + 10 for name, value in dead_letter.headers) < ROOM
