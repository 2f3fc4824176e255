"""Replicas of partitions: waiting until all of them have what their leader has."""

import asyncio
import time
from typing import Any, Final

from confluent_kafka.admin import AdminClient

from signalbox.kafka.credentials import CredentialWatch, connection_errors
from signalbox.kafka.settings import KafkaSettings
from signalbox.protocol.errors import Unavailable

_TIMEOUT_S: Final = 15.0
_POLL_S: Final = 0.2


async def await_in_sync(settings: KafkaSettings, deadline_s: float) -> None:
    """Wait until every replica of every partition is in sync: then one broker may stop and nothing is lost.

    Raises:
        Unavailable: some are not within ``deadline_s`` seconds, or the brokers can't be reached.
        ConfigurationError: they refuse our credentials.
    """
    await asyncio.to_thread(_await_in_sync, settings, deadline_s)


def _await_in_sync(settings: KafkaSettings, deadline_s: float) -> None:
    credentials = CredentialWatch()
    admin = AdminClient(credentials.added_to(settings.client("signalbox-replicas")))
    deadline = time.monotonic() + deadline_s
    with connection_errors(admin, credentials):
        while lagging := _lagging(admin.list_topics(timeout=_TIMEOUT_S).topics.values()):
            if time.monotonic() > deadline:
                raise Unavailable("broker", f"replicas are behind: {', '.join(lagging)}")
            time.sleep(_POLL_S)


def _lagging(topics: Any) -> list[str]:
    """List the partitions of which a replica is behind, as ``topic[partition]``."""
    return [
        f"{topic.topic}[{partition.id}]"
        for topic in topics
        for partition in topic.partitions.values()
        if set(partition.replicas) - set(partition.isrs)
    ]
