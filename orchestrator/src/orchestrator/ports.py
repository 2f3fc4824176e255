"""The outside of the orchestrator, which tests and other engines replace."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import httpx2

from orchestrator.dispatch.agent_client import connections
from orchestrator.settings import OrchestratorSettings
from signalbox.kafka import GroupConsumer, KafkaSettings, TransactionalProducer, read_at, read_to_end
from signalbox.models import Model, model_for
from signalbox.registry.client import Registry, RegistrySettings
from signalbox_decide.clock import SYSTEM, Clock
from signalbox_decide.history import ReadRecent
from signalbox_decide.workflow_usage import ReadDeadLetter


@dataclass(frozen=True)
class Ports:
    """What :func:`orchestrator.bootstrap.bootstrap` joins the orchestrator's parts to."""

    kafka: KafkaSettings
    consumer: Callable[[str, str, str], GroupConsumer]
    """Makes a consumer of a group, a topic and a client id."""
    transactions: Callable[[str], TransactionalProducer]
    """Makes the producer of the transactions with an id."""
    recent: ReadRecent
    dead_letter: ReadDeadLetter
    registry: Callable[[], Registry] = field(default=lambda: Registry(RegistrySettings()))
    model: Callable[[Literal["router"]], Model] = model_for
    http: Callable[[float, int], httpx2.AsyncClient] = connections
    """Makes the connections to one agent, by time-out in seconds and number."""
    clock: Clock = SYSTEM


def real_ports(settings: OrchestratorSettings) -> Ports:
    """Return the real outside, as the environment says where it is."""
    kafka = KafkaSettings()
    return Ports(
        kafka=kafka,
        consumer=lambda group, topic, client: GroupConsumer(
            kafka, group, [topic], client, settings.on_lost_offsets
        ),
        transactions=partial(TransactionalProducer, kafka),
        recent=lambda topics, since, partitions: read_to_end(
            kafka, topics, starting=lambda _: since, partitions=partitions
        ),
        dead_letter=partial(read_at, kafka),
    )
