"""The broker in memory: topics that are written to and read back."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from signalbox.protocol.records import Draft, Record, written
from signalbox_decide.clock import SYSTEM


class MemoryLog:
    """Keeps all records in the order in which they came; where no partition is named, it is 0."""

    def __init__(self, now: Callable[[], datetime] = SYSTEM.now) -> None:
        self.records: list[Record] = []
        self._now = now

    def append(self, draft: Draft) -> Record:
        """Put ``draft`` behind what lies in its partition."""
        record = written(draft)
        at = record.topic, max(record.partition, 0)
        offset = sum((one.topic, one.partition) == at for one in self.records)
        now_ms = int(self._now().timestamp() * 1_000)
        self.records.append(replace(record, partition=at[1], offset=offset, timestamp_ms=now_ms))
        return self.records[-1]

    def on(self, topic: str) -> list[Record]:
        """Return what lies on ``topic``."""
        return [record for record in self.records if record.topic == topic]

    def at(self, topic: str, partition: int, offset: int) -> Record | None:
        """Return the record at a place."""
        place = topic, partition, offset
        return next((one for one in self.records if (one.topic, one.partition, one.offset) == place), None)

    def recent(
        self, topics: Sequence[str], since: float, partitions: Sequence[int] | None = None
    ) -> Iterator[Record]:
        """Yield what lies on ``topics`` since ``since``, in seconds since the epoch, topic by topic."""
        for record in (one for topic in topics for one in self.on(topic)):
            is_wanted = partitions is None or record.partition in partitions
            if is_wanted and record.timestamp_ms >= since * 1_000:
                yield record

    async def publish(self, *drafts: Draft) -> None:
        """Append ``drafts``, as a producer does."""
        for draft in drafts:
            self.append(draft)

    async def close(self) -> None:
        """Hold no connection."""
