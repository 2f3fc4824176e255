"""Short transactions: outcomes and the offsets that they settle become visible together, or not at all.

Source: KIP-98 (transactions) and KIP-447 (offsets are fenced by the consumer group's generation, so one
``transactional.id`` per replica is enough).
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, ParamSpec, TypeVar

from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from signalbox.kafka.client_thread import ClientThread
from signalbox.kafka.consumer import GroupConsumer, Partition
from signalbox.kafka.credentials import CredentialWatch
from signalbox.kafka.faults import refused
from signalbox.kafka.producer import enqueue
from signalbox.kafka.settings import KafkaSettings
from signalbox.protocol.errors import Fatal, SignalboxError, Unavailable, Unwritable
from signalbox.protocol.records import Draft

P = ParamSpec("P")
R = TypeVar("R")

TRANSACTION_TIMEOUT_S: Final = 10
_STUCK_AFTER_S: Final = TRANSACTION_TIMEOUT_S + 2
"""A call that takes longer never ends: librdkafka does not keep the time-out of
``send_offsets_to_transaction`` when the group's coordinator goes away (confluentinc/librdkafka#5456)."""
_COMMIT_ATTEMPTS: Final = 3


class TransactionLost(SignalboxError):
    """Whether a commit happened is not known, or another producer with this id came.

    What was in flight is not the caller's any more: :meth:`TransactionalProducer.start` settles what was left
    open, and then the committed offsets say where to read on.
    """


class TransactionalProducer:
    """Writes drafts and commits offsets in one transaction; a newer one with the same id fences this one."""

    def __init__(self, settings: KafkaSettings, transactional_id: str) -> None:
        self._properties = settings.producer(transactional_id) | {
            "transactional.id": transactional_id,
            "transaction.timeout.ms": TRANSACTION_TIMEOUT_S * 1000,
            "linger.ms": 0,
        }
        self._id = transactional_id
        self._begins_again = False
        self._client: _Client | None = None

    async def start(self) -> None:
        """Fence older producers with this id, and finish what they left open; also after `TransactionLost`.

        Raises:
            Unavailable: the broker can't be reached now; call again.
            ConfigurationError: it refuses the credentials, or they don't allow this id.
        """
        if self._client is None:
            credentials = CredentialWatch()
            producer = Producer(credentials.added_to(self._properties))
            self._client = _Client(producer, ClientThread(self._id), credentials)
        try:
            await self._client.begin_with_this_id()
        except Fatal as error:
            self._abandon()
            raise Unavailable("broker", f"{self._id} can't begin transactions: {error}") from error
        self._begins_again = False

    async def commit(
        self, drafts: Iterable[Draft], offsets: Mapping[Partition, int], consumer: GroupConsumer
    ) -> None:
        """Publish ``drafts`` and commit ``offsets`` (each the next offset to read) as one transaction.

        Raises:
            Unavailable: nothing happened, and the same call may be tried again.
            Unwritable: nothing happened, and one of the drafts will never be taken.
            TransactionLost: it may have happened; :meth:`start`, and read again from the committed offsets.
        """
        if self._begins_again:
            await self.start()
        assert self._client is not None, "start() comes first"
        positions = [TopicPartition(at.topic, at.number, offset) for at, offset in offsets.items()]
        metadata = await consumer.group_metadata()
        try:
            await self._client.write(list(drafts), positions, metadata)
            await self._client.end()
        except Fatal as error:
            self._abandon()
            raise TransactionLost(str(error)) from error
        except Unwritable:
            if self._client.refusals:
                # Sequence numbers went with what the broker refused, and the client goes on counting from
                # them after the abort: its next transactions would fail. A new client counts from zero.
                self._abandon()
                self._begins_again = True
            raise

    async def end_what_was_left(self, consumer: GroupConsumer) -> None:
        """End a transaction of this id that nobody else will end; no offset moves.

        A broker that is killed may take a transaction for ended that is still open where the offsets of
        ``consumer``'s group lie, and then it tells them to no one. One that is aborted ends it with itself.

        Raises:
            Unavailable: the broker can't be reached now; call again.
        """
        if self._begins_again:
            await self.start()
        assert self._client is not None, "start() comes first"
        at = consumer.somewhere
        metadata = await consumer.group_metadata()
        try:
            await self._client.write([], [TopicPartition(at.topic, at.number, 0)], metadata)
            await self._client.abort()
        except Fatal as error:
            self._abandon()
            self._begins_again = True
            raise Unavailable("broker", f"{self._id}: {error}") from error

    async def close(self) -> None:
        """Release the thread; an open transaction does not outlive :meth:`commit`."""
        self._abandon()

    def _abandon(self) -> None:
        if self._client is not None:
            self._client.thread.stop()
        self._client = None


@dataclass(frozen=True, slots=True)
class _Client:
    """One of librdkafka's producers; once it raised Fatal, it is of no use any more."""

    producer: Producer
    thread: ClientThread
    credentials: CredentialWatch
    refusals: list[Unwritable] = field(default_factory=list)
    """Of the transaction that is under way: the commit's own error does not say which record it is about."""
    partitions: dict[str, int] = field(default_factory=dict)

    async def begin_with_this_id(self) -> None:
        await self._called(self.producer.init_transactions, TRANSACTION_TIMEOUT_S)

    async def write(self, drafts: list[Draft], positions: list[TopicPartition], metadata: Any) -> None:
        """Begin a transaction and put all into it. Raises Unavailable when nothing of it is left."""
        try:
            await self._called(self._write, drafts, positions, metadata)
        except (Unavailable, Unwritable) as error:
            raise await self._aborted(error) from error

    async def end(self) -> None:
        """Commit. Raises Unavailable or Unwritable when nothing happened, Fatal when that is not known."""
        for attempt in range(1, _COMMIT_ATTEMPTS + 1):
            outcome = await self._called(self._commit)
            if outcome is None:
                return
            if outcome.txn_requires_abort():
                error = await self._aborted(refused(outcome, "a topic"))
                if isinstance(error, Unwritable) and not self.refusals:
                    self.refusals.append(error)  # no report named the record, yet the broker refused one
                raise error
            # Asking again goes on with the same commit: it never happens twice.
            if not outcome.retriable() or attempt == _COMMIT_ATTEMPTS:
                said = f"{outcome.name()}: {outcome.str()}"
                raise Fatal(f"the outcome of a commit is unknown: {said}")

    async def abort(self) -> None:
        """Abort. Raises Fatal when that fails."""
        try:
            await self._called(self.producer.abort_transaction, TRANSACTION_TIMEOUT_S)
        except SignalboxError as failed:
            raise Fatal(f"a transaction could not be aborted: {failed}") from failed

    async def _aborted(self, error: SignalboxError) -> SignalboxError:
        """Abort, and return why there was no transaction: what the broker said of a record counts most."""
        await self.abort()
        self.partitions.clear()  # topics may have gone, or have got more
        return self.refusals[0] if self.refusals else error

    async def _called(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            async with asyncio.timeout(_STUCK_AFTER_S):
                return await self.thread.call(function, *args, **kwargs)
        except Unavailable as error:
            await self.thread.call(self.producer.poll, 0)  # the callbacks' turn
            self.credentials.check()
            raise self.credentials.explained(error) from error
        except TimeoutError as error:
            raise Fatal(f"the client did not answer within {_STUCK_AFTER_S} s") from error

    def _write(self, drafts: list[Draft], positions: list[TopicPartition], metadata: Any) -> None:
        self.producer.poll(0)  # the callbacks' turn: a token may have to be renewed
        self.refusals.clear()
        self.producer.begin_transaction()
        for draft in drafts:
            self._require_place(draft)
            enqueue(self.producer, draft, on_delivery=self._report)
        self.producer.send_offsets_to_transaction(positions, metadata, TRANSACTION_TIMEOUT_S)

    def _require_place(self, draft: Draft) -> None:
        # Asked first: the client itself would try until the transaction's end, and then say "timed out".
        if draft.topic not in self.partitions:
            found = self.producer.list_topics(draft.topic, TRANSACTION_TIMEOUT_S).topics.get(draft.topic)
            if found is None or _is_missing(found.error):
                detail = "it does not exist; run `signalbox topics apply`"
                raise Unwritable(draft.topic, detail, misplaced=True)
            if found.error is not None:
                raise refused(found.error, draft.topic)
            self.partitions[draft.topic] = len(found.partitions)
        if draft.partition is not None and draft.partition >= self.partitions[draft.topic]:
            detail = f"it has no partition {draft.partition}; run `signalbox topics apply`"
            raise Unwritable(draft.topic, detail, misplaced=True)

    def _report(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            return
        found = refused(error, message.topic() or "a topic")
        if isinstance(found, Unwritable):
            self.refusals.append(found)

    def _commit(self) -> KafkaError | None:
        try:
            self.producer.commit_transaction(TRANSACTION_TIMEOUT_S)
        except KafkaException as error:
            cause: KafkaError = error.args[0]
            return cause
        return None


def _is_missing(error: KafkaError | None) -> bool:
    return error is not None and error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART
