"""What was read and is not committed yet: decisions in flight, and the prefix that is finished."""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from signalbox.kafka import Partition
from signalbox.protocol.records import Draft, Record

Decision = asyncio.Task[Sequence[Draft]]


WRITTEN_AT_ONCE: Final = 16 * 1024 * 1024
"""What one transaction writes, in bytes, unless a single record's outcome is larger: it must stay short."""


class _Entry(NamedTuple):
    record: Record
    decision: Decision
    size: int


@dataclass(frozen=True, slots=True)
class Prefix:
    """The finished records at the front of each partition: what they wrote, and where to read on."""

    drafts: list[Draft] = field(default_factory=list)
    offsets: dict[Partition, int] = field(default_factory=dict)
    lengths: dict[Partition, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.offsets)


class Ledger:
    """Per partition, the decisions in the order of their records' offsets.

    Decisions finish in any order; they are committed in the order in which their records came, so that
    the committed offset never passes a record without an outcome.
    """

    def __init__(self) -> None:
        self._lines: dict[Partition, deque[_Entry]] = {}
        self._undecided: set[Decision] = set()
        self.size = 0
        """Bytes of the records that are in flight."""

    def expect(self, record: Record, decision: Decision) -> None:
        """Enter ``record``, whose outcome ``decision`` will be."""
        line = self._lines.setdefault(Partition(record.topic, record.partition), deque())
        entry = _Entry(record, decision, size_of(record))
        line.append(entry)
        self.size += entry.size
        self._undecided.add(decision)
        decision.add_done_callback(self._undecided.discard)

    @property
    def in_flight(self) -> int:
        """How many records are entered and not settled."""
        return sum(len(line) for line in self._lines.values())

    @property
    def oldest(self) -> Record | None:
        """Return the record that was written first of those that are not settled and say when."""
        fronts = (line[0].record for line in self._lines.values() if line)
        dated = (record for record in fronts if record.timestamp_ms > 0)
        return min(dated, key=lambda record: record.timestamp_ms, default=None)

    @property
    def undecided(self) -> list[Decision]:
        """The decisions that are still being made."""
        return [task for task in self._undecided if not task.done()]

    def finished_prefix(self) -> Prefix:
        """Return the outcomes that may be committed now; they stay until :meth:`settle`.

        Raises:
            Exception: what a decision raised. No outcome may be skipped, so the process must stop.
        """
        prefix, size = Prefix(), 0
        for partition, line in self._lines.items():
            for length, entry in enumerate(line, start=1):
                if not entry.decision.done() or size >= WRITTEN_AT_ONCE:
                    break
                drafts = entry.decision.result()
                size += sum(map(size_of, drafts))
                prefix.drafts.extend(drafts)
                prefix.offsets[partition] = entry.record.offset + 1
                prefix.lengths[partition] = length
        return prefix

    def each_of(self, prefix: Prefix) -> Iterator[tuple[Record, Prefix]]:
        """Return the records of ``prefix``, each as a prefix of its own, to be settled in this order."""
        for partition, length in prefix.lengths.items():
            for entry in list(self._lines[partition])[:length]:
                drafts = list(entry.decision.result())
                yield entry.record, Prefix(drafts, {partition: entry.record.offset + 1}, {partition: 1})

    def settle(self, prefix: Prefix) -> None:
        """Forget what was committed."""
        for partition, length in prefix.lengths.items():
            line = self._lines[partition]
            for _ in range(length):
                self.size -= line.popleft().size

    def drop(self, partitions: Iterable[Partition]) -> None:
        """Forget partitions that went to another member: it reads their uncommitted records again."""
        for partition in partitions:
            for entry in self._lines.pop(partition, ()):
                entry.decision.cancel()
                self.size -= entry.size


def size_of(record: Record | Draft) -> int:
    """Return the bytes of a record: a header or a key may be as large as a value."""
    headers = sum(len(name) + len(value or b"") for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers
