"""Reading topics from their beginning without a group: projections, the directory, commands."""

import time
import uuid
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from signalbox.kafka.client_thread import ClientThread
from signalbox.kafka.credentials import CredentialWatch, connection_errors
from signalbox.kafka.faults import converted, kafka_errors, record_of, split
from signalbox.kafka.settings import KafkaSettings
from signalbox.protocol.errors import SignalboxError, Unavailable
from signalbox.protocol.names import READER_GROUPS
from signalbox.protocol.records import Record

_METADATA_S: Final = 5.0
_POLL_S: Final = 0.2
_BATCH: Final = 500
_FORBIDDEN: Final = KafkaError.TOPIC_AUTHORIZATION_FAILED
_NORMAL: Final = 6
_SILENT: Final = 0
"""librdkafka's log level where the error that is raised says it all; syslog's numbers."""


class Reader:
    """Follows topics forever, and knows when it has caught up once.

    ``starting(topic)`` may give a time in seconds since the epoch to start from, instead of the beginning.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topics: Sequence[str],
        client_id: str,
        starting: Callable[[str], float | None] | None = None,
    ) -> None:
        self._positions = _Positions(settings, topics, client_id, starting)
        self._thread = ClientThread(client_id)
        self._closed = False

    @property
    def caught_up(self) -> bool:
        """True once the end of every partition was reached, even if more came after that."""
        return self._positions.caught_up

    async def records(self) -> AsyncGenerator[list[Record], None]:
        """Yield records in batches, in order within a partition; an empty batch when nothing came.

        The empty batches let the caller look at :attr:`caught_up` and at its own clock.

        Raises:
            Unavailable: the broker can't be reached or a topic does not exist; iterate again.
            ConfigurationError: it refuses the credentials, or they don't allow to read a topic.
        """
        while not self._closed:
            yield await self._thread.call(self._positions.poll, _POLL_S)

    async def close(self) -> None:
        """Stop; a running :meth:`records` ends after its present batch."""
        self._closed = True
        await self._thread.call(self._positions.close)
        self._thread.stop()


def read_to_end(
    settings: KafkaSettings,
    topics: Sequence[str],
    *,
    patience_s: float = 60,
    starting: Callable[[str], float | None] | None = None,
    partitions: Sequence[int] | None = None,
) -> Iterator[Record]:
    """Yield every record up to the end that each partition has when it is reached.

    ``starting(topic)`` may give a time in seconds since the epoch to start from; ``partitions`` narrows
    to some of them.

    Raises:
        Unavailable: the broker can't be reached, a topic is missing, or nothing came for
            ``patience_s`` seconds.
        ConfigurationError: the broker refuses the credentials, or they don't allow to read a topic.
    """
    client_id = f"read-{uuid.uuid4().hex[:8]}"
    positions = _Positions(settings, topics, client_id, starting, partitions, log_level=_SILENT)
    deadline = time.monotonic() + patience_s
    try:
        while not positions.caught_up:
            if time.monotonic() > deadline:
                raise Unavailable("broker", f"nothing came from {', '.join(topics)} for {patience_s:.0f} s")
            with kafka_errors():
                batch = positions.poll(_POLL_S)
            if batch:
                deadline = time.monotonic() + patience_s
            yield from batch
    finally:
        positions.close()


def read_at(settings: KafkaSettings, topic: str, partition: int, offset: int) -> Record | None:
    """Read the one record that lies there; None when there is none, or none any more.

    Raises:
        Unavailable: the broker can't be reached, or does not answer in time.
    """
    client_id = f"read-{uuid.uuid4().hex[:8]}"
    alone = {"group.id": f"{READER_GROUPS}{client_id}", "enable.partition.eof": True, "log_level": _SILENT}
    client = Consumer(settings.consumer(client_id) | alone)
    try:
        with kafka_errors():
            at = TopicPartition(topic, partition, offset)
            client.assign([at])
            message = client.poll(_METADATA_S)
            if message is None:  # beyond the end, unless the broker is away, which this raises
                client.get_watermark_offsets(at, _METADATA_S)
    finally:
        client.close()
    error = None if message is None else message.error()
    if message is None or (error is not None and error.code() == KafkaError._PARTITION_EOF):
        return None
    record = record_of(message)
    return record if record.offset == offset else None


class _Positions:
    """A consumer that is assigned every partition of the topics, once they exist."""

    def __init__(
        self,
        settings: KafkaSettings,
        topics: Sequence[str],
        client_id: str,
        starting: Callable[[str], float | None] | None = None,
        partitions: Sequence[int] | None = None,
        log_level: int = _NORMAL,
    ) -> None:
        # A group id is compulsory, but the group is never joined and nothing is ever committed.
        group_id = f"{READER_GROUPS}{client_id}-{uuid.uuid4().hex[:8]}"
        group = {"group.id": group_id, "enable.partition.eof": True, "log_level": log_level}
        self._credentials = CredentialWatch()
        self._client = Consumer(self._credentials.added_to(settings.consumer(client_id)) | group)
        self._topics = list(topics)
        self._starting = starting or (lambda _: None)
        self._only = partitions
        self._unfinished: set[tuple[str, int]] | None = None
        self._fault: SignalboxError | None = None

    @property
    def caught_up(self) -> bool:
        return self._unfinished is not None and not self._unfinished

    def poll(self, timeout_s: float) -> list[Record]:
        if self._fault is not None:
            fault, self._fault = self._fault, None
            raise fault
        if self._unfinished is None:
            self._assign()
        first = self._client.poll(timeout_s)
        self._credentials.check()
        messages = [] if first is None else [first, *self._client.consume(_BATCH, 0)]
        records, self._fault = split(message for message in messages if not self._is_end(message))
        return records

    def close(self) -> None:
        self._client.close()

    def _assign(self) -> None:
        wanted = [
            TopicPartition(topic, number, OFFSET_BEGINNING)
            for topic in self._topics
            for number in self._partitions_of(topic)
            if self._only is None or number in self._only
        ]
        self._client.assign([self._started(at) for at in wanted])
        self._unfinished = {(at.topic, at.partition) for at in wanted}

    def _partitions_of(self, topic: str) -> list[int]:
        with connection_errors(self._client, self._credentials):
            found = self._client.list_topics(topic, _METADATA_S).topics.get(topic)
        if found is not None and found.error is not None and found.error.code() == _FORBIDDEN:
            raise converted(found.error)
        if found is None or found.error is not None or not found.partitions:
            raise Unavailable("broker", f"the topic {topic} does not exist (yet)")
        return sorted(found.partitions)

    def _started(self, at: TopicPartition) -> TopicPartition:
        since = self._starting(at.topic)
        if since is None:
            return at
        asked = TopicPartition(at.topic, at.partition, int(since * 1000))
        return self._client.offsets_for_times([asked], _METADATA_S)[0]

    def _is_end(self, message: Message) -> bool:
        error = message.error()
        if error is None or error.code() != KafkaError._PARTITION_EOF:
            return False
        assert self._unfinished is not None
        self._unfinished.discard((str(message.topic()), int(message.partition() or 0)))
        return True
