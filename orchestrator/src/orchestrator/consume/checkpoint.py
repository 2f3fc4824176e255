"""A checkpoint: finished outcomes and their offsets become durable together, and none holds back the rest."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from prometheus_client import Counter

from orchestrator.consume.ladder import Ladder
from orchestrator.consume.offset_ledger import Ledger, Prefix
from signalbox.kafka import GroupConsumer, Partition, TransactionalProducer, TransactionLost
from signalbox.process.retry import retry_while_unavailable
from signalbox.protocol.errors import Fatal, Unavailable, Unwritable
from signalbox.protocol.records import Draft, Record
from signalbox.telemetry import Readiness, logger

LadderOf = Callable[[Record, Sequence[Draft]], Ladder]
"""Makes the ladder of a record's outcome."""

_log = logger(__name__)
_COMMITS = Counter("signalbox_commits", "Commits of a finished prefix", ["stage"])

_QUIET_COMMIT_S: Final = 1.0
_PAUSE_S: Final = 0.2
_LOST_AT_MOST: Final = 5
_LOST_WITHIN_S: Final = 120.0


class Checkpoint:
    """Writes what the ledger of ``stage`` has finished.

    An outcome that the broker will never take is written as a lesser one, in a transaction of its own.
    """

    def __init__(
        self,
        stage: str,
        ledger: Ledger,
        consumer: GroupConsumer,
        producer: TransactionalProducer,
        ladder_of: LadderOf,
        readiness: Readiness,
    ) -> None:
        self._stage = stage
        self._ledger = ledger
        self._consumer = consumer
        self._producer = producer
        self._ladder_of = ladder_of
        self._readiness = readiness
        self._next_quiet_commit = 0.0
        self._lost_at: list[float] = []

    async def start(self) -> None:
        """Take over from an earlier process with the same transactional id: what it left open is aborted."""
        await retry_while_unavailable(self._producer.start, self._readiness)

    async def settle_finished(self, *, at_once: bool) -> None:
        """Commit what is finished; offsets alone wait for others a while, unless ``at_once``.

        Raises:
            TransactionLost: read again from what is committed, after :meth:`start_over`.
        """
        prefix = self._ledger.finished_prefix()
        if not prefix or not (at_once or self._is_due(prefix)):
            return
        self._next_quiet_commit = _now() + _QUIET_COMMIT_S
        try:
            await self._settle(prefix)
        except Unavailable as error:
            self._readiness.wait(f"{self._stage} commit", error.detail)
            await asyncio.sleep(_PAUSE_S)
        else:
            self._readiness.done(f"{self._stage} commit")

    async def start_over(self, lost: TransactionLost) -> None:
        """Settle what the lost transaction left open.

        Raises:
            Fatal: it happens again and again.
        """
        self._lost_at = [*(at for at in self._lost_at if at > _now() - _LOST_WITHIN_S), _now()]
        if len(self._lost_at) > _LOST_AT_MOST:
            raise Fatal(
                f"{self._stage} lost {len(self._lost_at)} transactions in {_LOST_WITHIN_S:.0f} s:"
                f" does another process have this ORCHESTRATOR_REPLICA? The last: {lost}"
            )
        self._readiness.wait(self._stage, "a transaction was lost")
        await self.start()
        with suppress(Unavailable):
            await self._producer.end_what_was_left(self._consumer)

    async def finish(self) -> None:
        """Commit all that is finished; what can't be goes back to the group."""
        while prefix := self._ledger.finished_prefix():
            try:
                await self._settle(prefix)
            except (Unavailable, TransactionLost) as error:
                _log.warning("handed back what was not committed", stage=self._stage, why=str(error))
                return

    async def close(self) -> None:
        """Let go of the producer, and say nothing more of this stage."""
        await self._producer.close()
        self._readiness.forget(f"{self._stage} commit")
        _COMMITS.remove_by_labels({"stage": self._stage})

    def _is_due(self, prefix: Prefix) -> bool:
        # Offsets alone lose nothing by waiting: a second reading of these records writes nothing either.
        return bool(prefix.drafts) or _now() >= self._next_quiet_commit

    async def _settle(self, prefix: Prefix) -> None:
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

    async def _settle_each(self, prefix: Prefix) -> None:
        held: dict[Partition, Unwritable] = {}
        for record, alone in self._ledger.each_of(prefix):
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
        ladder = self._ladder_of(record, alone.drafts)
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
            await self._producer.commit(prefix.drafts, prefix.offsets, self._consumer)
        else:
            await self._consumer.commit(prefix.offsets)

    def _settled(self, prefix: Prefix) -> None:
        self._ledger.settle(prefix)
        _COMMITS.labels(self._stage).inc()


def _now() -> float:
    return asyncio.get_running_loop().time()
