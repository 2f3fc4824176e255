"""Foreign errors become ours here, and nowhere else: no ``KafkaException`` travels further in."""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException

from signalbox.errors import ConfigurationError, Fatal, SignalboxError, Unavailable
from signalbox.names import Headers
from signalbox.records import Record

_MISCONFIGURED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError._AUTHENTICATION,
        KafkaError.SASL_AUTHENTICATION_FAILED,
    }
)
_FENCED = frozenset(
    {
        KafkaError._FENCED,
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.INVALID_PRODUCER_ID_MAPPING,
        KafkaError.FENCED_INSTANCE_ID,
    }
)


def converted(error: KafkaError) -> SignalboxError:
    """Return our error for the client's: the class says whether to wait, to stop or to reconfigure."""
    if error.fatal() or error.code() in _FENCED:
        return Fatal(f"the broker took this process's work away: {error.str()}")
    if error.code() in _MISCONFIGURED:
        return ConfigurationError(f"the broker refuses these credentials: {error.str()}")
    return Unavailable("broker", f"{error.name()}: {error.str()}")


@contextmanager
def kafka_errors() -> Iterator[None]:
    """Convert what the client raises inside the block."""
    try:
        yield
    except KafkaException as error:
        raise converted(error.args[0]) from error
    except BufferError as error:
        raise Unavailable("broker", "the producer's queue is full") from error


def record_of(message: object) -> Record:
    """Copy a client's message into a plain record.

    Raises:
        Unavailable: when the "message" is an error that passes.
        Fatal: when it is one that does not.
    """
    error: KafkaError | None = message.error()  # type: ignore[attr-defined]
    if error is not None:
        raise converted(error)
    headers: Headers = tuple(message.headers() or ())  # type: ignore[attr-defined]
    return Record(
        topic=message.topic(),  # type: ignore[attr-defined]
        partition=message.partition(),  # type: ignore[attr-defined]
        offset=message.offset(),  # type: ignore[attr-defined]
        key=message.key(),  # type: ignore[attr-defined]
        value=message.value(),  # type: ignore[attr-defined]
        headers=headers,
        timestamp_ms=message.timestamp()[1],  # type: ignore[attr-defined]
    )
