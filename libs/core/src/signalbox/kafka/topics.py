"""Topics as the catalog wants them: made where missing, widened where they refuse what must be written."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from signalbox.catalog import Catalog
from signalbox.kafka.credentials import CredentialWatch, connection_errors
from signalbox.kafka.settings import KafkaSettings
from signalbox.kafka.widening import Found, TopicChange, TopicSpec, compared, record_sizes, widened
from signalbox.protocol.dead_letters import DEAD_LETTER_ROOM_BYTES
from signalbox.protocol.errors import Unavailable
from signalbox.protocol.names import AGENT_MESSAGES, AGENT_ROUTES, dead_letter_topic

__all__ = ["TopicChange", "TopicSpec", "apply", "compare", "topics_of"]

_TIMEOUT_S: Final = 15.0
_POLL_S: Final = 0.1
_FOR_EVER: Final = -1


def topics_of(catalog: Catalog) -> list[TopicSpec]:
    """Return the catalog's topics, with those that have their records' partitions from another one."""
    sources = {dead_letter_topic(name): name for name, topic in catalog.topics.items() if topic.dead_letters}
    return [
        TopicSpec(
            name=name,
            partitions=topic.partitions,
            retention_ms=_FOR_EVER if topic.retention_ms is None else topic.retention_ms,
            compacted=topic.compacted,
            max_message_bytes=topic.max_message_bytes,
            beside=AGENT_MESSAGES if name == AGENT_ROUTES else sources.get(name, ""),
            dead_letters=name in sources,
        )
        for name, topic in catalog.topics.items()
    ]


async def apply(settings: KafkaSettings, wanted: Sequence[TopicSpec]) -> list[TopicChange]:
    """Create the topics that are missing, and widen those that could refuse what must be written to them.

    Widened is what costs nothing: how large a record may be, and how many partitions a topic has whose
    records get their partition from another topic's. What differs otherwise, or can't be widened, is told
    and left alone.

    Raises:
        Unavailable: the broker can't be reached.
        ConfigurationError: it refuses our credentials.
    """
    return await asyncio.to_thread(_apply, settings, list(wanted))


async def compare(settings: KafkaSettings, wanted: Sequence[TopicSpec]) -> list[TopicChange]:
    """Say how the topics differ from what is wanted, and change nothing.

    Raises:
        Unavailable: the broker can't be reached.
        ConfigurationError: it refuses our credentials.
    """
    return await asyncio.to_thread(_compare, settings, list(wanted))


def _apply(settings: KafkaSettings, wanted: list[TopicSpec]) -> list[TopicChange]:
    credentials = CredentialWatch()
    admin = AdminClient(credentials.added_to(settings.client("signalbox-topics")))
    with connection_errors(admin, credentials):
        existing = admin.list_topics(timeout=_TIMEOUT_S).topics
        missing = [spec for spec in wanted if spec.name not in existing]
        created = _create(admin, missing, settings)
        existing = _listed(admin, [spec.name for spec in wanted])
        there = [spec for spec in wanted if spec.name not in created]
        changes = {spec.name: TopicChange(spec.name, "created") for spec in wanted if spec.name in created}
        for found in _found(admin, there, existing):
            changes[found.spec.name] = widened(admin, found)
    return [changes[spec.name] for spec in wanted]


def _compare(settings: KafkaSettings, wanted: list[TopicSpec]) -> list[TopicChange]:
    credentials = CredentialWatch()
    admin = AdminClient(credentials.added_to(settings.client("signalbox-topics")))
    with connection_errors(admin, credentials):
        existing = admin.list_topics(timeout=_TIMEOUT_S).topics
        there = [spec for spec in wanted if spec.name in existing]
        changes = {found.spec.name: compared(found) for found in _found(admin, there, existing)}
    return [changes.get(spec.name, TopicChange(spec.name, "missing", "it does not exist")) for spec in wanted]


def _found(admin: AdminClient, specs: list[TopicSpec], existing: dict[str, Any]) -> list[Found]:
    partitions = {name: len(topic.partitions) for name, topic in existing.items()}
    sizes = record_sizes(admin, [spec.name for spec in specs])
    return [
        Found(_fitted(spec, partitions, sizes), partitions[spec.name], sizes.get(spec.name)) for spec in specs
    ]


def _fitted(spec: TopicSpec, partitions: dict[str, int], sizes: dict[str, int]) -> TopicSpec:
    """Want as much of a topic as its source has in fact, where that is more than the catalog says."""
    size = sizes.get(spec.beside, 0) + DEAD_LETTER_ROOM_BYTES if spec.dead_letters else 0
    return replace(
        spec,
        partitions=max(spec.partitions, partitions.get(spec.beside, 0)),
        max_message_bytes=max(spec.max_message_bytes, size),
    )


def _create(admin: AdminClient, specs: list[TopicSpec], settings: KafkaSettings) -> set[str]:
    """Create topics; return the names of those that no one else created meanwhile."""
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
