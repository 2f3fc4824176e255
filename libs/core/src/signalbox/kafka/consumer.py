"""A member of a consumer group whose offsets its owner commits."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from confluent_kafka import Consumer, TopicPartition

from signalbox.kafka.client_thread import ClientThread
from signalbox.kafka.credentials import CredentialWatch
from signalbox.kafka.faults import split
from signalbox.kafka.positions import OffsetsUnknown, OnLost, lost, starts
from signalbox.kafka.settings import KafkaSettings
from signalbox.protocol.errors import Fatal, SignalboxError, Unavailable
from signalbox.protocol.records import Record
from signalbox.telemetry.logs import logger

_log = logger(__name__)
_MAX_POLL_INTERVAL_MS: Final = 300_000
_UNKNOWN_AT_MOST: Final = 2
"""How often in a row the broker may not say where the group is, 20 seconds each; a transaction lasts 10."""


@dataclass(frozen=True, slots=True, order=True)
class Partition:
    """A topic's partition."""

    topic: str
    number: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What one poll brought: records, and the partitions that came and went before them."""

    records: list[Record] = field(default_factory=list)
    assigned: frozenset[Partition] = frozenset()
    revoked: frozenset[Partition] = frozenset()


class GroupConsumer:
    """Polls records of a group's topics; newly assigned partitions are paused until :meth:`resume`.

    That pause gives the owner the time to read back what was decided before. Offsets never move by
    themselves: the owner commits them, here or in a transaction.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        group: str,
        topics: Sequence[str],
        client_id: str,
        on_lost: OnLost = "stop",
    ) -> None:
        self._credentials = CredentialWatch()
        self._properties = self._credentials.added_to(settings.consumer(client_id)) | {
            "group.id": group,
            "max.poll.interval.ms": _MAX_POLL_INTERVAL_MS,
            "partition.assignment.strategy": "range",
            # The client's own way out of range is to skip what is gone, and to say nothing.
            "auto.offset.reset": "error" if on_lost == "stop" else "earliest",
        }
        self._client = Consumer(self._properties)
        self._group = group
        self._on_lost = on_lost
        self._thread = ClientThread(client_id)
        self._topics = list(topics)
        self._assigned: set[Partition] = set()
        self._revoked: set[Partition] = set()
        self._owned: set[Partition] = set()
        self._fault: SignalboxError | None = None
        self._unplaced = False
        self._unknown = 0

    @property
    def somewhere(self) -> Partition:
        """A partition that the group reads from, whoever has it."""
        return Partition(self._topics[0], 0)

    async def start(self) -> None:
        """Join the group; the first :meth:`poll` calls bring the assignment."""
        await self._thread.call(self._join)

    async def rejoin(self) -> None:
        """Leave the group and join it again: every partition goes, and comes with its committed offset."""
        await self._thread.call(self._rejoin)

    async def poll(self, limit: int, timeout_s: float) -> Batch:
        """Return up to ``limit`` records, as soon as there is one, at the latest after ``timeout_s``.

        Raises:
            Unavailable: the broker can't be reached; the client goes on trying, so poll again.
            OffsetsUnknown: it does not say where the group is; the next poll joins once more and asks again.
            OffsetsLost: the broker deleted records that this group had not read yet.
            Fatal: this member can't go on.
            ConfigurationError: the broker refuses its credentials, or it may not read a topic.
        """
        return await self._thread.call(self._poll, limit, timeout_s)

    async def pause(self, partitions: Iterable[Partition]) -> None:
        """Stop fetching ``partitions``; polling goes on, and with it the membership."""
        await self._thread.call(self._client.pause, _positions(partitions))

    async def resume(self, partitions: Iterable[Partition]) -> None:
        """Fetch ``partitions`` again."""
        await self._thread.call(self._client.resume, _positions(partitions))

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Commit ``offsets``, each the next offset to read, outside any transaction."""
        positions = [TopicPartition(at.topic, at.number, offset) for at, offset in offsets.items()]
        await self._thread.call(lambda: self._client.commit(offsets=positions, asynchronous=False))

    async def group_metadata(self) -> Any:
        """Return what a transaction needs to fence this member's offsets (KIP-447)."""
        return await self._thread.call(self._client.consumer_group_metadata)

    async def close(self) -> None:
        """Leave the group, so that another member takes over at once."""
        await self._thread.call(self._client.close)
        self._thread.stop()

    def _poll(self, limit: int, timeout_s: float) -> Batch:
        # consume(limit) waits for the whole batch or the whole time-out; a single poll first returns
        # as soon as there is a record, and the rest is what had already been fetched.
        if self._fault is not None:
            fault, self._fault = self._fault, None
            raise fault
        if self._unplaced:
            self._rejoin()
        first = self._client.poll(timeout_s)
        self._credentials.check()
        messages = [] if first is None else [first, *self._client.consume(limit - 1, 0)]
        records, passing = split(messages)
        self._fault = self._fault or lost(messages, self._group) or passing
        assigned, self._assigned = frozenset(self._assigned), set()
        revoked, self._revoked = frozenset(self._revoked), set()
        # A rebalance may have come in the midst: what was fetched before it belongs to somebody else now.
        owned = self._owned - revoked
        kept = [record for record in records if Partition(record.topic, record.partition) in owned]
        return Batch(kept, assigned, revoked)

    def _join(self) -> None:
        self._unplaced = False
        self._client.subscribe(
            self._topics,
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_revoke,
        )

    def _rejoin(self) -> None:
        self._owned = set()  # what was fetched and not polled yet is not to be seen any more
        self._client.unsubscribe()
        self._join()

    def _on_assign(self, client: Consumer, partitions: list[TopicPartition]) -> None:
        try:
            positions = self._positions(client, partitions)
        except (Fatal, Unavailable) as error:
            # Raised by the next poll: in here, the client would only log it.
            self._fault, self._unplaced = error, isinstance(error, Unavailable)
            client.assign([])
            return
        client.assign(positions)
        client.pause(partitions)
        came = {Partition(at.topic, at.partition) for at in partitions}
        self._assigned |= came
        self._owned |= came

    def _positions(self, client: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
        try:
            positions = starts(client, self._group, partitions, self._on_lost)
        except OffsetsUnknown as error:
            self._unknown += 1
            if self._unknown < _UNKNOWN_AT_MOST:
                raise
            positions = self._last_stable(partitions, error)
        self._unknown = 0
        return positions

    def _last_stable(self, partitions: list[TopicPartition], why: OffsetsUnknown) -> list[TopicPartition]:
        # No transaction is open for so long: one that seems to be was forgotten by its coordinator, and its
        # producer may be gone for good. What it committed is read again, and is known to who reads it back.
        _log.warning("offsets_without_an_open_transaction", group=self._group, why=why.detail)
        without_waiting = Consumer(self._properties | {"isolation.level": "read_uncommitted"})
        try:
            return starts(without_waiting, self._group, partitions, self._on_lost)
        finally:
            without_waiting.close()

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        gone = {Partition(at.topic, at.partition) for at in partitions}
        self._assigned -= gone
        self._owned -= gone
        self._revoked |= gone


def _positions(partitions: Iterable[Partition]) -> list[TopicPartition]:
    return [TopicPartition(at.topic, at.number) for at in partitions]
