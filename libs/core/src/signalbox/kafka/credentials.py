"""What the broker says of our credentials: librdkafka tells it by callback only, and tries forever."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

from confluent_kafka import KafkaError

from signalbox.kafka.faults import kafka_errors
from signalbox.protocol.errors import ConfigurationError, Unavailable

_REFUSALS: Final = frozenset(
    {KafkaError._AUTHENTICATION, KafkaError._SSL, KafkaError.SASL_AUTHENTICATION_FAILED}
)
_CERTAIN: Final = 3
_WITHIN_S: Final = 30.0


class CredentialWatch:
    """Counts refusals of one client; some in a row are certain, one may be a broker that goes down."""

    def __init__(self) -> None:
        self._refused_at: deque[float] = deque(maxlen=_CERTAIN)
        self._said = ""
        self._last = ""

    def added_to(self, properties: dict[str, Any]) -> dict[str, Any]:
        """Return a client's properties with this watch as its error callback."""
        return properties | {"error_cb": self.note}

    def note(self, error: KafkaError) -> None:
        """Take what the client tells; it is called by the client's ``poll``."""
        self._last = error.str()
        if error.code() in _REFUSALS:
            self._refused_at.append(time.monotonic())
            self._said = error.str()

    def check(self) -> None:
        """Raise when the credentials are refused.

        Raises:
            ConfigurationError: the broker or our TLS refused the connection several times in a row.
        """
        recent = [at for at in self._refused_at if at > time.monotonic() - _WITHIN_S]
        if len(recent) == _CERTAIN:
            raise ConfigurationError(f"the broker and these KAFKA_* settings don't fit: {self._said}")

    def explained(self, error: Unavailable) -> Unavailable:
        """Add what the client told last: a broker that wants TLS or SASL only closes the connection.

        That is no proof of wrong settings, since a broker that goes down does the same; so it is waited out,
        and the operator gets to read it.
        """
        return (
            Unavailable(error.what, f"{error.detail}; the client says: {self._last}") if self._last else error
        )


class _Client(Protocol):
    def poll(self, timeout: float = ...) -> Any: ...


@contextmanager
def connection_errors(client: _Client, watch: CredentialWatch) -> Iterator[None]:
    """Convert what a blocking call raises; where it found no broker, say so if credentials are the cause."""
    try:
        with kafka_errors():
            yield
    except Unavailable as error:
        client.poll(0)  # the callbacks' turn
        watch.check()
        raise watch.explained(error) from error
