"""A checkpoint: finished outcomes and their offsets become durable together, and none holds back the rest."""

from dataclasses import dataclass

from prometheus_client import Counter, Gauge

from orchestrator.consume.ladder import Instead, Ladder, References
from orchestrator.consume.offset_ledger import Ledger, Prefix
from signalbox.kafka import GroupConsumer, Partition, TransactionalProducer
from signalbox.protocol.errors import Unavailable, Unwritable
from signalbox.protocol.records import Record

IN_FLIGHT = Gauge("signalbox_in_flight", "Records read and not committed", ["stage"])
_COMMITS = Counter("signalbox_commits", "Commits of a finished prefix", ["stage"])


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Writes what the ledger of ``stage`` has finished."""

    stage: str
    ledger: Ledger
    consumer: GroupConsumer
    producer: TransactionalProducer
    instead: Instead
    references: References

    async def settle(self, prefix: Prefix) -> None:
        """Write ``prefix`` in one transaction; what the broker will never take becomes what it takes.

        Raises:
            Unavailable: the moment is bad, or the topic of dead letters takes nothing; try again. What
                could be written is settled.
            TransactionLost: read again from what is committed.
        """
        try:
            await self._commit(prefix)
        except Unwritable:  # one of many: each alone, so that one record's outcome holds back no other
            await self._settle_each(prefix)
        else:
            self._settled(prefix)

    def forget(self) -> None:
        """Drop the metrics of a stage that has ended."""
        for metric in (IN_FLIGHT, _COMMITS):
            metric.remove_by_labels({"stage": self.stage})

    async def _settle_each(self, prefix: Prefix) -> None:
        held: dict[Partition, Unwritable] = {}
        for record, alone in self.ledger.each_of(prefix):
            partition = Partition(record.topic, record.partition)
            if partition in held:
                continue
            if (why := await self._written(record, alone)) is None:
                self._settled(alone)
            else:
                held[partition] = why
        for why in held.values():
            raise Unavailable("broker", f"not even a dead letter can be written: {why}")

    async def _written(self, record: Record, alone: Prefix) -> Unwritable | None:
        """Write one record's outcome; return why not even the least one is taken."""
        ladder = Ladder(self.stage, record, alone.drafts, self.instead, self.references)
        while True:
            try:
                await self._commit(Prefix(list(ladder.drafts), alone.offsets, alone.lengths))
            except Unwritable as why:
                if not ladder.step_down(why):
                    return why
            else:
                ladder.written()
                return None

    async def _commit(self, prefix: Prefix) -> None:
        if prefix.drafts:
            await self.producer.commit(prefix.drafts, prefix.offsets, self.consumer)
        else:
            await self.consumer.commit(prefix.offsets)

    def _settled(self, prefix: Prefix) -> None:
        self.ledger.settle(prefix)
        IN_FLIGHT.labels(self.stage).set(self.ledger.in_flight)
        _COMMITS.labels(self.stage).inc()
