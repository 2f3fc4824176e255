"""A broker in memory that refuses what Apache Kafka refuses, behind the ports of consumer and producer.

It has partitions, a largest record per topic, and counts as a broker does: a record with its key and headers,
as the client compressed it. It stands for the network part only.
"""

import asyncio
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import KafkaError

from signalbox.catalog import Catalog
from signalbox.kafka import Partition
from signalbox.kafka.consumer import Batch
from signalbox.kafka.faults import producing, refused
from signalbox.protocol.records import Draft, Record

CLIENT_BYTES: Final = 64 * 1024 * 1024
_BATCH_OVERHEAD: Final = 61
_RECORD_OVERHEAD: Final = 21
_VARINT: Final = 5


@dataclass(frozen=True, slots=True)
class Limits:
    """A topic's."""

    partitions: int = 1
    record_bytes: int = 4 * 1024 * 1024


def limits_of(catalog: Catalog) -> dict[str, Limits]:
    """Return what the catalog's topics have on a broker."""
    return {name: Limits(topic.partitions, topic.max_message_bytes) for name, topic in catalog.topics.items()}


def batch_bytes(record: Record | Draft, *, level: int = 1) -> int:
    """Return the bytes of a batch with this record alone: compressed, where that makes it smaller."""
    parts = [record.key or b"", record.value or b""]
    for name, value in record.headers:
        parts += [name.encode(), value or b"", b"\0" * (2 * _VARINT if len(value or b"") > 63 else 2)]
    raw = b"".join(parts)
    return _BATCH_OVERHEAD + _RECORD_OVERHEAD + min(len(raw), len(zlib.compress(raw, level)))


def raw_bytes(draft: Draft) -> int:
    """Return what the client counts."""
    headers = sum(len(name.encode()) + len(value or b"") + 2 * _VARINT for name, value in draft.headers)
    return len(draft.key or b"") + len(draft.value or b"") + headers


@dataclass
class LimitedBroker:
    """Keeps what was committed, by topic and partition."""

    topics: dict[str, Limits]
    logs: dict[Partition, list[Record]] = field(default_factory=lambda: defaultdict(list))
    committed: dict[Partition, int] = field(default_factory=dict)
    refusals: int = 0
    commits: int = 0

    def append(self, draft: Draft) -> None:
        """Write a record that was checked."""
        count = self.topics[draft.topic].partitions
        number = zlib.crc32(draft.key or b"") % count if draft.partition is None else draft.partition
        log = self.logs[Partition(draft.topic, number)]
        log.append(
            Record(draft.topic, number, len(log), draft.key, draft.value, draft.headers, 1_767_323_045_000)
        )

    def check(self, draft: Draft) -> None:
        """Refuse what the client or the broker would refuse.

        Raises:
            Unwritable: as :mod:`signalbox.kafka.faults` makes it of the code that Kafka gives.
        """
        with producing(draft.topic):
            for name, _ in draft.headers:
                name.encode()
        limits = self.topics.get(draft.topic)
        if limits is None:
            self._refuse(KafkaError.UNKNOWN_TOPIC_OR_PART, draft)
        elif draft.partition is not None and draft.partition >= limits.partitions:
            self._refuse(KafkaError._UNKNOWN_PARTITION, draft)
        elif raw_bytes(draft) > CLIENT_BYTES or batch_bytes(draft) > limits.record_bytes:
            self._refuse(KafkaError.MSG_SIZE_TOO_LARGE, draft)

    def _refuse(self, code: int, draft: Draft) -> None:
        self.refusals += 1
        raise refused(KafkaError(code), draft.topic)

    def on(self, topic: str) -> list[Record]:
        """Return what lies on ``topic``."""
        return [record for at, log in sorted(self.logs.items()) if at.topic == topic for record in log]


@dataclass
class LimitedProducer:
    """The port of a transactional producer: all of a commit, or nothing."""

    broker: LimitedBroker

    async def start(self) -> None:
        return

    async def commit(self, drafts: Iterable[Draft], offsets: Mapping[Partition, int], _: Any) -> None:
        written = list(drafts)
        for draft in written:
            self.broker.check(draft)
        self.broker.commits += 1
        for draft in written:
            self.broker.append(draft)
        self.broker.committed.update(offsets)

    async def end_what_was_left(self, _: Any) -> None:
        return

    async def close(self) -> None:
        return


class ScriptedConsumer:
    """The port of a consumer: all partitions at once, and then ``records`` in their order."""

    def __init__(self, broker: LimitedBroker, records: Iterable[Record]) -> None:
        self._broker = broker
        self._records = list(records)
        self._told = False
        self._paused: set[Partition] = set()

    async def start(self) -> None:
        return

    async def poll(self, limit: int, _: float) -> Batch:
        await asyncio.sleep(0)
        if not self._told:
            self._told = True
            partitions = frozenset(Partition(one.topic, one.partition) for one in self._records)
            self._paused = set(partitions)
            return Batch(assigned=partitions)
        if self._paused:
            return Batch()
        given, self._records = self._records[:limit], self._records[limit:]
        return Batch(given)

    async def pause(self, partitions: Iterable[Partition]) -> None:
        self._paused |= set(partitions)

    async def resume(self, partitions: Iterable[Partition]) -> None:
        self._paused -= set(partitions)

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        self._broker.committed.update(offsets)

    async def group_metadata(self) -> Any:
        return None

    async def rejoin(self) -> None:
        raise AssertionError("nothing is lost here")

    async def close(self) -> None:
        return
