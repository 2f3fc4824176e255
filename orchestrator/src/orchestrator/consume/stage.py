"""The engine of every stage: decide first, commit later, an outcome and its offset together."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client import Counter

from orchestrator.consume.checkpoint import IN_FLIGHT, Checkpoint
from orchestrator.consume.deciding import Decide, Deciding
from orchestrator.consume.ladder import Instead, References, nothing_instead
from orchestrator.consume.offset_ledger import Ledger, Prefix
from orchestrator.consume.room import Room
from signalbox.kafka import GroupConsumer, Partition, TransactionalProducer, TransactionLost
from signalbox.kafka.consumer import Batch
from signalbox.process.retry import retry_while_unavailable
from signalbox.protocol.errors import Fatal, Unavailable
from signalbox.protocol.records import Record
from signalbox.telemetry import Readiness, logger

ReadBack = Callable[[frozenset[Partition]], Awaitable[None]]
"""Reads what was decided before on partitions that were just assigned."""

_log = logger(__name__)
_RECORDS = Counter("signalbox_records", "Records read", ["stage"])

_IDLE_POLL_S: Final = 0.2
_BUSY_POLL_S: Final = 0.005
_QUIET_COMMIT_S: Final = 1.0
_GRACE_S: Final = 15.0
_LOST_AT_MOST: Final = 5
_LOST_WITHIN_S: Final = 120.0


async def nothing_to_read_back(_: frozenset[Partition]) -> None:
    """Begin at once: this stage's outcomes need no memory."""


@dataclass(slots=True)
class _Reading:
    """A reading back that is under way, and the partitions that are still ours since it began."""

    task: asyncio.Task[None]
    valid_for: set[Partition]


class Stage:
    """Consumes topics, decides on many records at once, and commits their outcomes in order.

    An outcome that the broker will never take is written as a lesser one, in a transaction of its own
    (:mod:`orchestrator.consume.ladder`); ``instead`` makes a dead letter of a record whose decision is one.

    ``limit`` and ``set_aside`` bound what is in flight, as :class:`Room` says: beyond that the partitions are
    paused, and polling goes on, so that a slow decision never costs the membership. With
    ``one_at_a_time_per_key`` a key's records are decided one after the other.
    """

    def __init__(
        self,
        name: str,
        consumer: GroupConsumer,
        producer: TransactionalProducer,
        decide: Decide,
        readiness: Readiness,
        *,
        limit: int,
        read_back: ReadBack = nothing_to_read_back,
        one_at_a_time_per_key: bool = False,
        set_aside: Callable[[], int] = lambda: 0,
        fault_pause_s: float = 5.0,
        instead: Instead = nothing_instead,
        references: References | None = None,
    ) -> None:
        self.name = name
        self._consumer = consumer
        self._producer = producer
        self._readiness = readiness
        self._read_back = read_back
        self._deciding = Deciding(
            name,
            decide,
            readiness,
            one_at_a_time_per_key=one_at_a_time_per_key,
            fault_pause_s=fault_pause_s,
        )
        self._ledger = Ledger()
        self._room = Room(self._ledger, limit, set_aside)
        self._checkpoint = Checkpoint(
            name,
            self._ledger,
            consumer,
            producer,
            instead,
            references or References(readiness, lambda _: None),
        )
        self._assigned: set[Partition] = set()
        self._awaited: set[Partition] = set()  # came, and are not read back yet
        self._reading: _Reading | None = None
        self._paused = False
        self.idle_since: float | None = None
        """Since when it has read all and decides on nothing; None: it is at work, or has no partitions."""
        self._next_quiet_commit = 0.0
        self._lost_at: list[float] = []

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until ``stopping``, then finish or hand back what is in flight and leave the group.

        Raises:
            Fatal: its transactions are lost again and again.
        """
        self._joining()
        await retry_while_unavailable(self._producer.start, self._readiness)
        await self._consumer.start()
        try:
            while not stopping.is_set():
                batch = await self._polled()
                await self._rebalanced(batch)
                self._begin(batch.records)
                await self._commit_finished()
                await self._hold_back()
                self._look_idle(batch)
            await self._finish()
        finally:
            if self._reading is not None:
                self._reading.task.cancel()
            self._ledger.drop(self._assigned)
            await self._consumer.close()
            await self._producer.close()
            self._forget_me()

    def _forget_me(self) -> None:
        self._checkpoint.forget()
        self._deciding.forget()
        _RECORDS.remove_by_labels({"stage": self.name})
        for part in (self.name, f"{self.name} broker", f"{self.name} commit"):
            self._readiness.forget(part)

    def _joining(self) -> None:
        # A stage that comes while the process works, for an agent that is new, takes nothing from the others.
        report = self._readiness.degraded if self._readiness.ready else self._readiness.wait
        report(self.name, "joining its consumer group")

    def _joined(self) -> None:
        self._readiness.degraded(self.name, None)
        self._readiness.done(self.name)
        self._readiness.done(f"{self.name} broker")

    async def _polled(self) -> Batch:
        timeout = _BUSY_POLL_S if self._ledger.in_flight else _IDLE_POLL_S
        try:
            room = max(1, self._room.left)
            return await self._consumer.poll(room, timeout)
        except Unavailable as error:
            self._readiness.wait(f"{self.name} broker", error.detail)
            self.idle_since = None
            await asyncio.sleep(_IDLE_POLL_S)
            return Batch()

    async def _rebalanced(self, batch: Batch) -> None:
        if batch.revoked:
            self._give_up(batch.revoked)
        self._awaited |= batch.assigned
        await self._take_up()
        if batch.records:
            self._joined()

    def _give_up(self, partitions: frozenset[Partition]) -> None:
        self._ledger.drop(partitions)
        self._assigned -= partitions
        self._awaited -= partitions
        if self._reading is not None:  # another member may decide on them from here on
            self._reading.valid_for -= partitions

    async def _take_up(self) -> None:
        # Reading back may take long, and a member that does not poll for five minutes is thrown out: so it
        # goes on beside the polling, while the partitions that it is for are paused.
        if self._reading is not None and self._reading.task.done():
            self._reading.task.result()
            ready, self._reading = frozenset(self._reading.valid_for), None
            if ready:
                await self._begin_with(ready)
        if self._reading is None and self._awaited:
            wanted = frozenset(self._awaited)
            task = asyncio.create_task(
                retry_while_unavailable(lambda: self._read_back(wanted), self._readiness)
            )
            self._reading = _Reading(task, set(wanted))

    async def _begin_with(self, partitions: frozenset[Partition]) -> None:
        self._awaited -= partitions
        self._assigned |= partitions
        if not self._paused:
            await self._consumer.resume(partitions)
        self._joined()
        _log.info("assigned", stage=self.name, partitions=_names(partitions))

    def _begin(self, records: Sequence[Record]) -> None:
        _RECORDS.labels(self.name).inc(len(records))
        for record in records:
            self._ledger.expect(record, self._deciding.begin(record))
        IN_FLIGHT.labels(self.name).set(self._ledger.in_flight)

    async def _commit_finished(self) -> None:
        await self._settled_soon()
        prefix = self._ledger.finished_prefix()
        if not prefix or not self._due(prefix):
            return
        try:
            await self._settle(prefix)
        except Unavailable as error:
            self._readiness.wait(f"{self.name} commit", error.detail)
            await asyncio.sleep(_IDLE_POLL_S)
            return
        except TransactionLost as lost:
            await self._start_over(lost)
            return
        self._readiness.done(f"{self.name} commit")

    async def _settle(self, prefix: Prefix) -> None:
        self._next_quiet_commit = asyncio.get_running_loop().time() + _QUIET_COMMIT_S
        await self._checkpoint.settle(prefix)

    async def _start_over(self, lost: TransactionLost) -> None:
        """Settle what is open, then read again from what is committed; what was decided is read back.

        Raises:
            Fatal: it happens again and again.
        """
        _log.warning("a transaction is lost: starting over", stage=self.name, why=str(lost))
        now = asyncio.get_running_loop().time()
        self._lost_at = [*(at for at in self._lost_at if at > now - _LOST_WITHIN_S), now]
        if len(self._lost_at) > _LOST_AT_MOST:
            raise Fatal(
                f"{self.name} lost {len(self._lost_at)} transactions in {_LOST_WITHIN_S:.0f} s:"
                f" does another process have this ORCHESTRATOR_REPLICA? The last: {lost}"
            )
        self._readiness.wait(self.name, "a transaction was lost")
        self._give_up(frozenset(self._assigned | self._awaited))
        IN_FLIGHT.labels(self.name).set(self._ledger.in_flight)
        await retry_while_unavailable(self._producer.start, self._readiness)
        await self._consumer.rejoin()

    async def _settled_soon(self) -> None:
        # Quick decisions then share one transaction; a slow one is not waited for.
        if undecided := self._ledger.undecided:
            await asyncio.wait(undecided, timeout=_BUSY_POLL_S)

    def _due(self, prefix: Prefix) -> bool:
        # Offsets alone lose nothing by waiting: a second reading of these records writes nothing either.
        # But they take room until then, and no record may wait for that.
        waited = asyncio.get_running_loop().time() >= self._next_quiet_commit
        return bool(prefix.drafts) or waited or self._ledger.in_flight >= self._room.limit

    async def _hold_back(self) -> None:
        full = self._room.full
        if full and not self._paused:
            await self._consumer.pause(self._assigned)
        elif self._paused and not full:
            await self._consumer.resume(self._assigned)
        self._paused = full

    def _look_idle(self, batch: Batch) -> None:
        is_behind = len(batch.records) >= self._room.limit
        if is_behind or self._ledger.undecided or self._awaited or not self._assigned:
            self.idle_since = None
        elif self.idle_since is None:
            self.idle_since = asyncio.get_running_loop().time()

    async def _finish(self) -> None:
        # Inside the grace period decisions end by themselves; later ones go back to the group undone.
        if undecided := self._ledger.undecided:
            await asyncio.wait(undecided, timeout=_GRACE_S)
        while prefix := self._ledger.finished_prefix():
            try:
                await self._settle(prefix)
            except (Unavailable, TransactionLost) as error:
                _log.warning("handed back what was not committed", stage=self.name, why=str(error))
                return


def _names(partitions: Iterable[Partition]) -> list[str]:
    return [f"{at.topic}/{at.number}" for at in sorted(partitions)]
