"""Foreign errors become ours here, and nowhere else: no ``KafkaException`` travels further in."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException

from signalbox.protocol.errors import ConfigurationError, Fatal, SignalboxError, Unavailable, Unwritable
from signalbox.protocol.names import Headers
from signalbox.protocol.records import Record

_MISCONFIGURED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError._AUTHENTICATION,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.SECURITY_DISABLED,
    }
)
_LONG_ENOUGH = 200
_FENCED = frozenset(
    {
        KafkaError._FENCED,
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.INVALID_PRODUCER_ID_MAPPING,
        KafkaError.FENCED_INSTANCE_ID,
    }
)
_MISPLACED = frozenset(
    {
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.INVALID_PARTITIONS,
    }
)
_NEVER_TAKEN = _MISPLACED | {
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.INVALID_MSG,
    KafkaError.INVALID_MSG_SIZE,
    KafkaError.INVALID_RECORD,
    KafkaError.INVALID_TIMESTAMP,
    KafkaError.POLICY_VIOLATION,
    KafkaError.UNSUPPORTED_FOR_MESSAGE_FORMAT,
    KafkaError.UNSUPPORTED_COMPRESSION_TYPE,
    KafkaError._INVALID_ARG,
    KafkaError._BAD_MSG,
    KafkaError._BAD_COMPRESSION,
}
"""What a producer is told of a record that no waiting mends; the client itself tries again what may pass."""


def converted(error: KafkaError) -> SignalboxError:
    """Return our error for the client's: the class says whether to wait, to stop or to reconfigure."""
    # First of all: an idempotent producer calls it fatal, too, that it may not write.
    if error.code() in _MISCONFIGURED:
        said = error.str()[:_LONG_ENOUGH]  # some brokers tell the whole request
        return ConfigurationError(f"the broker refuses these credentials: {error.name()}: {said}")
    if error.fatal() or error.code() in _FENCED:
        return Fatal(f"the broker took this process's work away: {error.str()}")
    return Unavailable("broker", f"{error.name()}: {error.str()}")


def refused(error: KafkaError, topic: str) -> SignalboxError:
    """Return our error for what a producer is told of a record for ``topic``."""
    if error.code() not in _NEVER_TAKEN:
        return converted(error)
    detail = f"{error.name()}: {error.str()[:_LONG_ENOUGH]}"
    return Unwritable(topic, detail, misplaced=error.code() in _MISPLACED)


@contextmanager
def producing(topic: str) -> Iterator[None]:
    """Convert what the client raises when it is handed a record for ``topic``."""
    try:
        yield
    except KafkaException as error:
        raise refused(error.args[0], topic) from error
    except BufferError as error:
        raise Unavailable("broker", "the producer's queue is full") from error
    except (ValueError, TypeError, OverflowError) as error:
        # The client can't even hold it: a header's name that is no text, a value of more than 2 GiB.
        raise Unwritable(topic, f"the client can't take it: {error}") from error


@contextmanager
def kafka_errors() -> Iterator[None]:
    """Convert what the client raises inside the block."""
    try:
        yield
    except KafkaException as error:
        raise converted(error.args[0]) from error
    except BufferError as error:
        raise Unavailable("broker", "the producer's queue is full") from error


def split(messages: Iterable[object]) -> tuple[list[Record], SignalboxError | None]:
    """Separate records from the "messages" that are errors, of which the last is returned.

    The client's position has passed the records of a batch that also holds an error, so they must not be
    lost with it: take them now, and raise the error at the next poll.
    """
    records: list[Record] = []
    fault: SignalboxError | None = None
    for message in messages:
        try:
            records.append(record_of(message))
        except SignalboxError as error:
            fault = error
    return records, fault


def record_of(message: object) -> Record:
    """Copy a client's message into a plain record.

    Raises:
        Unavailable: when the "message" is an error that passes.
        Fatal: when it is one that does not.
    """
    error: KafkaError | None = message.error()  # type: ignore[attr-defined]
    if error is not None:
        raise converted(error)
    headers = _headers(message)
    return Record(
        topic=message.topic(),  # type: ignore[attr-defined]
        partition=message.partition(),  # type: ignore[attr-defined]
        offset=message.offset(),  # type: ignore[attr-defined]
        key=message.key(),  # type: ignore[attr-defined]
        value=message.value(),  # type: ignore[attr-defined]
        headers=headers or (),
        timestamp_ms=message.timestamp()[1],  # type: ignore[attr-defined]
        unreadable_headers=headers is None,
    )


def _headers(message: object) -> Headers | None:
    # A header name that is not UTF-8 makes the client raise, once: asked again it returns a list with a
    # hole in it, so it must not be asked again.
    try:
        return tuple(message.headers() or ())  # type: ignore[attr-defined]
    except (SystemError, UnicodeDecodeError):
        return None
