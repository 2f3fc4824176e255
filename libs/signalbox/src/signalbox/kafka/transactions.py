"""Short transactions: outcomes and the offsets that they settle become visible together, or not at all.

Source: KIP-98 (transactions) and KIP-447 (offsets are fenced by the consumer group's generation, so one
``transactional.id`` per replica is enough).
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from confluent_kafka import KafkaException, Producer, TopicPartition

from signalbox.errors import Fatal, Unavailable
from signalbox.kafka.client_thread import ClientThread
from signalbox.kafka.consumer import GroupConsumer, Partition
from signalbox.kafka.faults import converted
from signalbox.kafka.settings import KafkaSettings
from signalbox.records import Draft

TRANSACTION_TIMEOUT_S: Final = 10


class TransactionalProducer:
    """Writes drafts and commits offsets in one transaction; a newer one with the same id fences this one."""

    def __init__(self, settings: KafkaSettings, transactional_id: str) -> None:
        self._client = Producer(
            settings.producer(transactional_id)
            | {
                "transactional.id": transactional_id,
                "transaction.timeout.ms": TRANSACTION_TIMEOUT_S * 1000,
                "linger.ms": 0,
            }
        )
        self._thread = ClientThread(transactional_id)

    async def start(self) -> None:
        """Fence older producers with this id, and finish what they left open.

        Raises:
            Unavailable: the broker can't be reached now; call again.
        """
        await self._thread.call(self._client.init_transactions, TRANSACTION_TIMEOUT_S)

    async def commit(
        self, drafts: Iterable[Draft], offsets: Mapping[Partition, int], consumer: GroupConsumer
    ) -> None:
        """Publish ``drafts`` and commit ``offsets`` (each the next offset to read) as one transaction.

        Raises:
            Unavailable: nothing happened, and the same call may be tried again.
            Fatal: fenced, or the outcome of the commit is unknown; the process must stop, and its
                successor reads back what was decided.
        """
        metadata = await consumer.group_metadata()
        await self._thread.call(self._commit, list(drafts), dict(offsets), metadata)

    async def close(self) -> None:
        """Release the thread; an open transaction does not outlive :meth:`commit`."""
        self._thread.stop()

    def _commit(self, drafts: list[Draft], offsets: dict[Partition, int], metadata: Any) -> None:
        positions = [TopicPartition(at.topic, at.number, offset) for at, offset in offsets.items()]
        try:
            self._client.begin_transaction()
            for draft in drafts:
                self._client.produce(
                    draft.topic,
                    key=draft.key,
                    value=draft.value,
                    headers=list(draft.headers),
                    partition=-1 if draft.partition is None else draft.partition,
                )
            self._client.send_offsets_to_transaction(positions, metadata, TRANSACTION_TIMEOUT_S)
        except BufferError as error:
            self._abort()
            raise Unavailable("broker", "the producer's queue is full") from error
        except KafkaException as error:
            self._abort()
            raise converted(error.args[0]) from error
        try:
            self._client.commit_transaction(TRANSACTION_TIMEOUT_S)
        except KafkaException as error:
            cause = error.args[0]
            if not cause.txn_requires_abort():
                # Only a successor that reads back can tell whether this commit happened.
                raise Fatal(f"the outcome of a commit is unknown: {cause.name()}: {cause.str()}") from error
            self._abort()
            raise converted(cause) from error

    def _abort(self) -> None:
        try:
            self._client.abort_transaction(TRANSACTION_TIMEOUT_S)
        except KafkaException as error:
            raise Fatal(f"a transaction could not be aborted: {error.args[0].str()}") from error
