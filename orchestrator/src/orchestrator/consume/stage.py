"""The engine of every stage: decide first, commit later, an outcome and its offset together."""

import asyncio
from typing import Final

from prometheus_client import Counter, Gauge

from orchestrator.consume.assignment import Assignment
from orchestrator.consume.checkpoint import Checkpoint
from orchestrator.consume.deciding import Deciding
from orchestrator.consume.expiry import Expiry
from orchestrator.consume.room import Room
from signalbox.kafka import TransactionLost
from signalbox.kafka.consumer import Batch
from signalbox.telemetry import logger

_log = logger(__name__)
_RECORDS = Counter("signalbox_records", "Records read", ["stage"])
_IN_FLIGHT = Gauge("signalbox_in_flight", "Records read and not committed", ["stage"])

_IDLE_POLL_S: Final = 0.2
_BUSY_POLL_S: Final = 0.005
_GRACE_S: Final = 15.0


class Stage:
    """Consumes topics, decides on many records at once, and commits their outcomes in order.

    What is in flight is bounded by ``room``: beyond that the partitions are paused, and polling goes on, so
    that a slow decision never costs the membership.
    """

    def __init__(
        self,
        name: str,
        assignment: Assignment,
        deciding: Deciding,
        room: Room,
        checkpoint: Checkpoint,
        expiry: Expiry,
    ) -> None:
        self.name = name
        self.assignment = assignment
        self._deciding = deciding
        self._ledger = room.ledger
        self._room = room
        self._checkpoint = checkpoint
        self._expiry = expiry
        self.idle_since: float | None = None
        """Since when it has read all and decides on nothing; None: it is at work, or has no partitions."""

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until ``stopping``, then finish or hand back what is in flight and leave the group.

        Raises:
            Fatal: its transactions are lost again and again.
        """
        self.assignment.say_joining()
        await self._checkpoint.start()
        await self.assignment.join()
        try:
            while not stopping.is_set():
                batch = await self.assignment.poll(self._room.left, self._patience_s)
                self._take(batch)
                await self._commit_what_is_decided()
                await self.assignment.hold_back(self._room.full)
                self._observe(batch)
            await self._finish()
        finally:
            self._ledger.drop(self.assignment.partitions)
            await self.assignment.leave()
            await self._checkpoint.close()
            self._deciding.forget()
            self._expiry.forget()
            for metric in (_RECORDS, _IN_FLIGHT):
                metric.remove_by_labels({"stage": self.name})

    @property
    def _patience_s(self) -> float:
        return _BUSY_POLL_S if self._ledger.in_flight else _IDLE_POLL_S

    def _take(self, batch: Batch) -> None:
        self._ledger.drop(batch.revoked)
        for record in batch.records:
            self._ledger.expect(record, self._deciding.begin(record))
        _RECORDS.labels(self.name).inc(len(batch.records))

    async def _commit_what_is_decided(self) -> None:
        await self._decided_within(_BUSY_POLL_S)  # quick decisions share one transaction
        room_is_needed = self._ledger.in_flight >= self._room.limit
        try:
            await self._checkpoint.settle_finished(at_once=room_is_needed)
        except TransactionLost as lost:
            _log.warning("a transaction is lost: starting over", stage=self.name, why=str(lost))
            self._ledger.drop(self.assignment.partitions)
            await self._checkpoint.start_over(lost)
            await self.assignment.rejoin()

    async def _decided_within(self, seconds: float) -> None:
        if undecided := self._ledger.undecided:
            await asyncio.wait(undecided, timeout=seconds)

    def _observe(self, batch: Batch) -> None:
        _IN_FLIGHT.labels(self.name).set(self._ledger.in_flight)
        self._expiry.look()
        is_behind = len(batch.records) >= self._room.limit
        if is_behind or self._ledger.undecided or not self.assignment.is_settled:
            self.idle_since = None
        elif self.idle_since is None:
            self.idle_since = asyncio.get_running_loop().time()

    async def _finish(self) -> None:
        # Inside the grace period decisions end by themselves; later ones go back to the group undone.
        await self._decided_within(_GRACE_S)
        await self._checkpoint.finish()
