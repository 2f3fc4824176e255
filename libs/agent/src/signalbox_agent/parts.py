"""The real parts behind an agent service; tests pass others."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from signalbox.kafka import KafkaSettings, Producer
from signalbox.models import Model, model_for
from signalbox.protocol.names import AgentId
from signalbox.protocol.records import Draft
from signalbox.registry.client import Registry, RegistrySettings
from signalbox.registry.port import SchemaRegistry
from signalbox.trust import Doorkeeper, SigningKey, TrustedKeys, TrustSettings
from signalbox_agent.settings import AgentSettings
from signalbox_agent.store import StateStore


class Publisher(Protocol):
    """Writes records; returns when they are durable."""

    async def publish(self, *drafts: Draft) -> None: ...

    async def close(self) -> None: ...


class ClosableRegistry(SchemaRegistry, Protocol):
    """The registry, and its connections."""

    async def close(self) -> None: ...


@dataclass(frozen=True)
class Parts:
    """What an agent service stands on. ``stop`` asks the process to end.

    ``key`` signs the agent's announcement; ``door`` tells whose requests are let in.
    """

    settings: AgentSettings
    key: SigningKey
    door: Doorkeeper
    store: StateStore
    registry: ClosableRegistry
    producer: Publisher
    model: Model
    stop: Callable[[], None]

    async def close(self) -> None:
        """Close what is open, the producer first: it may hold records that are on their way."""
        await self.producer.close()
        await self.registry.close()
        self.store.close()


def check_environment(agent: AgentId) -> None:
    """Read all settings, and send nothing.

    Raises:
        ConfigurationError: when one of them is wrong, or the model that is named can't be used.
    """
    for settings in (AgentSettings, TrustSettings, RegistrySettings, KafkaSettings):
        settings()
    model_for("agent", agent)


def parts_from_environment(agent: AgentId) -> Parts:
    """Make the parts that the environment describes.

    Raises:
        ConfigurationError: when one of them can't be made.
    """
    settings, trust = AgentSettings(), TrustSettings()
    return Parts(
        settings=settings,
        key=trust.own_key(agent),
        door=Doorkeeper(agent, TrustedKeys(trust), prefix=urlsplit(settings.endpoint).path),
        store=StateStore(settings.state_url(agent), agent),
        registry=Registry(RegistrySettings()),
        producer=Producer(KafkaSettings(), client_id=agent),
        model=model_for("agent", agent),
        stop=lambda: os.kill(os.getpid(), signal.SIGTERM),
    )
