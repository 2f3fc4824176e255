"""Topics as the catalog wants them: made where missing, never changed behind anybody's back."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from signalbox.kafka.faults import kafka_errors
from signalbox.kafka.settings import MAX_MESSAGE_BYTES, KafkaSettings

_TIMEOUT_S: Final = 15.0


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
    admin = AdminClient(settings.client("signalbox-topics"))
    with kafka_errors():
        existing = admin.list_topics(timeout=_TIMEOUT_S).topics
        missing = [spec for spec in wanted if spec.name not in existing]
        created = _create(admin, missing, settings.replication_factor)
        return [created.get(spec.name) or _compared(spec, existing[spec.name]) for spec in wanted]


def _create(admin: AdminClient, specs: list[TopicSpec], replication: int) -> dict[str, TopicChange]:
    if not specs:
        return {}
    futures = admin.create_topics(
        [NewTopic(spec.name, spec.partitions, replication, config=spec.config()) for spec in specs],
        operation_timeout=_TIMEOUT_S,
    )
    return {name: _outcome(name, future) for name, future in futures.items()}


def _outcome(name: str, future: Any) -> TopicChange:
    try:
        future.result(_TIMEOUT_S)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:  # another process was first
            return TopicChange(name, "unchanged")
        raise
    return TopicChange(name, "created")


def _compared(spec: TopicSpec, found: Any) -> TopicChange:
    partitions = len(found.partitions)
    if partitions == spec.partitions:
        return TopicChange(spec.name, "unchanged")
    return TopicChange(
        spec.name, "differs", f"has {partitions} partitions, the catalog says {spec.partitions}"
    )
