"""The partitions that a stage has: read back before they are begun with, paused while there is no room."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from signalbox.kafka import GroupConsumer, Partition
from signalbox.kafka.consumer import Batch
from signalbox.kafka.positions import OffsetsUnknown
from signalbox.process.retry import retry_while_unavailable
from signalbox.protocol.errors import Unavailable
from signalbox.telemetry import Readiness, logger

ReadBack = Callable[[frozenset[Partition]], Awaitable[None]]
"""Reads what was decided before on partitions that were just assigned."""

_log = logger(__name__)
_PAUSE_S: Final = 0.2


async def nothing_to_read_back(_: frozenset[Partition]) -> None:
    """Begin at once: this stage's outcomes need no memory."""


@dataclass(slots=True)
class _Reading:
    """A reading back that is under way, and the partitions that are still ours since it began."""

    task: asyncio.Task[None]
    valid_for: set[Partition]


class Assignment:
    """Polls for ``stage``, and keeps account of its partitions.

    Reading back may take long, and a member that does not poll for five minutes is thrown out: so it goes on
    beside the polling, while the partitions that it is for are paused. ``settle`` ends what may keep the
    broker from saying where the group is.
    """

    def __init__(
        self,
        stage: str,
        consumer: GroupConsumer,
        readiness: Readiness,
        read_back: ReadBack,
        settle: Callable[[], Awaitable[None]],
    ) -> None:
        self._stage = stage
        self._consumer = consumer
        self._readiness = readiness
        self._read_back = read_back
        self._settle = settle
        self._reading: _Reading | None = None
        self.partitions: frozenset[Partition] = frozenset()
        """Those that are read from, unless :attr:`paused`."""
        self.awaited: frozenset[Partition] = frozenset()
        """Those that came, and are not read back yet."""
        self.paused = False
        self._is_reached = False

    @property
    def is_settled(self) -> bool:
        """True when it has partitions, all of them read back, and the broker answered last."""
        return self._is_reached and bool(self.partitions) and not self.awaited

    async def join(self) -> None:
        """Join the group; the first polls bring partitions."""
        await self._consumer.start()

    def say_joining(self) -> None:
        """Say that the stage is on its way into its group."""
        # A stage that comes while the process works, for an agent that is new, takes nothing from the others.
        report = self._readiness.degraded if self._readiness.ready else self._readiness.wait
        report(self._stage, "joining its consumer group")

    async def poll(self, limit: int, timeout_s: float) -> Batch:
        """Return up to ``limit`` records, none when the broker is away; begin with what was read back."""
        batch = await self._polled(limit, timeout_s)
        self._give_up(batch.revoked)
        self.awaited |= batch.assigned
        await self._begin_with_what_is_read()
        self._read_back_what_came()
        if batch.records:
            self._joined()
        return batch

    async def hold_back(self, full: bool) -> None:
        """Pause while there is no room: a slow decision must not cost the membership."""
        if full and not self.paused:
            await self._consumer.pause(self.partitions)
        elif self.paused and not full:
            await self._consumer.resume(self.partitions)
        self.paused = full

    async def rejoin(self) -> None:
        """Join once more, to read again from what is committed."""
        self._give_up(self.partitions | self.awaited)
        await self._consumer.rejoin()

    async def leave(self) -> None:
        """Leave the group, and say nothing more of it."""
        if self._reading is not None:
            self._reading.task.cancel()
        await self._consumer.close()
        for part in (self._stage, f"{self._stage} broker"):
            self._readiness.forget(part)

    async def _polled(self, limit: int, timeout_s: float) -> Batch:
        try:
            batch = await self._consumer.poll(max(1, limit), timeout_s)
        except Unavailable as error:
            self._readiness.wait(f"{self._stage} broker", error.detail)
            self._is_reached = False
            if isinstance(error, OffsetsUnknown):
                with suppress(Unavailable):
                    await self._settle()
            await asyncio.sleep(_PAUSE_S)
            return Batch()
        self._is_reached = True
        return batch

    def _give_up(self, partitions: frozenset[Partition]) -> None:
        self.partitions -= partitions
        self.awaited -= partitions
        if self._reading is not None:  # another member may decide on them from here on
            self._reading.valid_for -= partitions

    async def _begin_with_what_is_read(self) -> None:
        if self._reading is None or not self._reading.task.done():
            return
        self._reading.task.result()
        ready, self._reading = frozenset(self._reading.valid_for), None
        if not ready:
            return
        self.awaited -= ready
        self.partitions |= ready
        if not self.paused:
            await self._consumer.resume(ready)
        self._joined()
        _log.info(
            "assigned", stage=self._stage, partitions=[f"{at.topic}/{at.number}" for at in sorted(ready)]
        )

    def _read_back_what_came(self) -> None:
        if self._reading is not None or not self.awaited:
            return
        wanted = self.awaited
        task = asyncio.create_task(retry_while_unavailable(lambda: self._read_back(wanted), self._readiness))
        self._reading = _Reading(task, set(wanted))

    def _joined(self) -> None:
        self._readiness.degraded(self._stage, None)
        self._readiness.done(self._stage)
        self._readiness.done(f"{self._stage} broker")
