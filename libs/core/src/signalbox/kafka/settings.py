"""Where the broker is and how to speak to it, from the environment."""

from typing import Any, Final

from pydantic import Field

from signalbox.kafka.security import BrokerSecurity
from signalbox.protocol.dead_letters import DEAD_LETTER_ROOM_BYTES

MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024
"""A route carries a whole message and more, so topics take 4 MiB."""
_LARGEST_DRAFT_BYTES: Final = 64 * 1024 * 1024
"""What a producer tries to write. The broker judges by the compressed size, and a dead letter's record may
have come well compressed; yet a request beyond 100 MB would only cost the connection."""

_LARGEST_UNPACKED_BYTES: Final = 1_000_000_000
"""The client gives up on a zstd batch that unpacks to more, and then reads nothing that is behind it."""


class KafkaSettings(BrokerSecurity):
    """``KAFKA_*`` of the environment, with what `BrokerSecurity` says. Times are in milliseconds.

    ``session_timeout_ms`` and ``fetch_wait_max_ms`` are settings because the local broker takes half
    the session time-out to join a group, and answers an empty fetch only after the whole wait.
    """

    bootstrap_servers: str = "127.0.0.1:19092"
    session_timeout_ms: int = Field(default=6000, ge=1000)
    fetch_wait_max_ms: int = Field(default=50, ge=1)
    replication_factor: int = Field(default=1, ge=1)
    min_insync_replicas: int | None = Field(default=None, ge=1)

    def client(self, client_id: str) -> dict[str, Any]:
        """Return what every kind of client needs, in librdkafka's property names.

        Raises:
            ConfigurationError: a secret's file can't be read.
        """
        return self.security() | {
            "bootstrap.servers": self.bootstrap_servers,
            "client.id": client_id,
            "socket.keepalive.enable": True,
            "reconnect.backoff.max.ms": 2000,
        }

    def consumer(self, client_id: str) -> dict[str, Any]:
        """Return the properties of a consumer that commits by itself and reads what was committed."""
        return self.client(client_id) | {
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": self.fetch_wait_max_ms,
            "fetch.message.max.bytes": MAX_MESSAGE_BYTES + DEAD_LETTER_ROOM_BYTES,
            "queued.max.messages.kbytes": 16 * 1024,
            "receive.message.max.bytes": _LARGEST_UNPACKED_BYTES,
            "session.timeout.ms": self.session_timeout_ms,
            "heartbeat.interval.ms": self.session_timeout_ms // 3,
            "enable.partition.eof": False,
        }

    def producer(self, client_id: str) -> dict[str, Any]:
        """Return the properties of an idempotent producer that partitions as Java clients do."""
        return self.client(client_id) | {
            "enable.idempotence": True,
            "acks": "all",
            "partitioner": "murmur2_random",
            "message.max.bytes": _LARGEST_DRAFT_BYTES,
            "linger.ms": 2,
            "compression.type": "lz4",
        }
