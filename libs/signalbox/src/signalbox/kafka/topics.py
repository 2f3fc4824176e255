"""Topics as the catalog wants them: made where missing, never changed behind anybody's back."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from signalbox.errors import Unavailable
from signalbox.kafka.credentials import CredentialWatch, connection_errors
from signalbox.kafka.settings import MAX_MESSAGE_BYTES, KafkaSettings

_TIMEOUT_S: Final = 15.0
_POLL_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it should be. ``retention_ms`` -1 keeps records for ever."""

    name: str
    partitions: int
    retention_ms: int = -1
    compacted: bool = False
    max_message_bytes: int = MAX_MESSAGE_BYTES

    def config(self) -> dict[str, str]:
        """Return the topic's configuration in Kafka's property names."""
        return {
            "cleanup.policy": "compact" if self.compacted else "delete",
            "retention.ms": str(self.retention_ms),
            "max.message.bytes": str(self.max_message_bytes),
        }


@dataclass(frozen=True, slots=True)
class TopicChange:
    """What :func:`apply` did for one topic; ``detail`` says how a topic that is there differs."""

    name: str
    outcome: Literal["created", "unchanged", "differs"]
    detail: str = ""


async def apply(settings: KafkaSettings, wanted: Sequence[TopicSpec]) -> list[TopicChange]:
    """Create the topics that are missing; report, but leave alone, those with another partition count.

    Raises:
        Unavailable: the broker can't be reached.
        ConfigurationError: it refuses our credentials.
    """
    return await asyncio.to_thread(_apply, settings, list(wanted))


def _apply(settings: KafkaSettings, wanted: list[TopicSpec]) -> list[TopicChange]:
    credentials = CredentialWatch()
    admin = AdminClient(credentials.added_to(settings.client("signalbox-topics")))
    with connection_errors(admin, credentials):
        existing = admin.list_topics(timeout=_TIMEOUT_S).topics
        missing = [spec for spec in wanted if spec.name not in existing]
        created = _create(admin, missing, settings)
        existing = _listed(admin, [spec.name for spec in wanted])
    return [
        TopicChange(spec.name, "created") if spec.name in created else _compared(spec, existing[spec.name])
        for spec in wanted
    ]


def _create(admin: AdminClient, specs: list[TopicSpec], settings: KafkaSettings) -> set[str]:
    """Create topics; return the names of those that nobody else created meanwhile."""
    if not specs:
        return set()
    _await_brokers(admin, settings.replication_factor)
    futures = admin.create_topics(
        [_new_topic(spec, settings) for spec in specs], operation_timeout=_TIMEOUT_S
    )
    return {name for name, future in futures.items() if _is_created(future)}


def _new_topic(spec: TopicSpec, settings: KafkaSettings) -> NewTopic:
    config = spec.config()
    if settings.min_insync_replicas is not None:
        config["min.insync.replicas"] = str(settings.min_insync_replicas)
    return NewTopic(spec.name, spec.partitions, settings.replication_factor, config=config)


def _await_brokers(admin: AdminClient, wanted: int) -> None:
    """Wait until there are as many brokers as replicas: the others of a cluster may be starting yet.

    Raises:
        Unavailable: there are fewer after the time.
    """
    deadline = time.monotonic() + _TIMEOUT_S
    while (there := len(admin.list_topics(timeout=_TIMEOUT_S).brokers)) < wanted:
        if time.monotonic() > deadline:
            raise Unavailable("broker", f"{wanted} replicas are wanted, and there are {there} brokers")
        time.sleep(_POLL_S)


def _is_created(future: Any) -> bool:
    try:
        future.result(_TIMEOUT_S)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return False
        raise
    return True


def _listed(admin: AdminClient, names: list[str]) -> dict[str, Any]:
    """Wait until the broker lists the topics: its controller knows of a new one before it does.

    Raises:
        Unavailable: it does not within the time.
    """
    deadline = time.monotonic() + _TIMEOUT_S
    while missing := set(names) - (topics := admin.list_topics(timeout=_TIMEOUT_S).topics).keys():
        if time.monotonic() > deadline:
            raise Unavailable("broker", f"it does not list {', '.join(sorted(missing))}")
        time.sleep(_POLL_S)
    return dict(topics)


def _compared(spec: TopicSpec, found: Any) -> TopicChange:
    partitions = len(found.partitions)
    if partitions == spec.partitions:
        return TopicChange(spec.name, "unchanged")
    return TopicChange(
        spec.name, "differs", f"has {partitions} partitions, the catalog says {spec.partitions}"
    )
