"""Processes that are killed, or stand still, at a moment that somebody else chooses."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from signal import SIGCONT, SIGKILL, SIGSTOP, SIGTERM, Signals
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from fault import Fault, Kind, World
from injectors.evidence_of_harm import LONG_S, note_struck
from injectors.supervisor import Supervisor
from local_stack.instances import kind_of, service_named
from local_stack.services import BROKER, ORCHESTRATOR
from signalbox.protocol.names import AGENT_MESSAGES

_ASK_S: Final = 15.0

Victims = Callable[[World, Supervisor], Sequence[str]]


def services(world: World, supervisor: Supervisor) -> list[str]:
    """Return everything that runs but brokers."""
    return [name for name in supervisor.running() if kind_of(name) != BROKER]


def orchestrators(world: World, supervisor: Supervisor) -> list[str]:
    return [name for name in supervisor.running() if kind_of(name) == ORCHESTRATOR]


def brokers(world: World, supervisor: Supervisor) -> list[str]:
    return [name for name in supervisor.running() if kind_of(name) == BROKER]


def message_leaders(world: World, supervisor: Supervisor) -> list[str]:
    """Return the brokers that lead a partition of ``agent_messages``, as often as they do.

    Raises:
        KafkaException: no broker can be asked.
    """
    client = AdminClient({"bootstrap.servers": world.stack.env["KAFKA_BOOTSTRAP_SERVERS"]})
    partitions = client.list_topics(AGENT_MESSAGES, timeout=_ASK_S).topics[AGENT_MESSAGES].partitions
    names = {service_named(name).number: name for name in brokers(world, supervisor)}
    return [names[one.leader] for _, one in sorted(partitions.items()) if one.leader in names]


@dataclass
class Down:
    """One of ``victims`` ends, and is started again when it is healed, as it was."""

    name: str
    kind: Kind
    supervisor: Supervisor
    victims: Victims
    sig: Signals = SIGKILL
    _taken: set[str] = field(default_factory=set)
    _ended: int = 0

    async def inject(self, world: World, rng: random.Random) -> str:
        return await asyncio.to_thread(self._inject, world, rng)

    def _inject(self, world: World, rng: random.Random) -> str:
        victim = _chosen(self.victims, world, self.supervisor, rng)
        # Noted first: what is about to happen has to be mended even when this is cut off.
        self._taken.add(victim)
        self._ended += self.supervisor.take_down(victim, self.sig)
        return f"{self.name}: {victim} ({self.sig.name})"

    async def heal(self, world: World) -> None:
        for victim in sorted(self._taken):
            await asyncio.to_thread(self.supervisor.bring_back, victim)
            self._taken.discard(victim)
            note_struck(world, self.name, self._ended)
            self._ended = 0


@dataclass
class StandingStill:
    """One of ``victims`` gets no time from the system, and goes on from where it was when it is healed.

    It stands still for ``at_least_s`` seconds, whatever the runner does.
    """

    name: str
    kind: Kind
    supervisor: Supervisor
    victims: Victims
    at_least_s: float = 0.0
    _taken: set[str] = field(default_factory=set)

    async def inject(self, world: World, rng: random.Random) -> str:
        victim = await asyncio.to_thread(_chosen, self.victims, world, self.supervisor, rng)
        self._taken.add(victim)
        self.supervisor.signal(victim, SIGSTOP)
        await asyncio.sleep(self.at_least_s)
        return f"{self.name}: {victim}"

    async def heal(self, world: World) -> None:
        for victim in self._taken:
            note_struck(world, self.name, int(self.supervisor.signal(victim, SIGCONT)))
        self._taken.clear()


def _chosen(victims: Victims, world: World, supervisor: Supervisor, rng: random.Random) -> str:
    try:
        choice = victims(world, supervisor)
    except KafkaException:
        choice = []
    # While another fault is on, leaders may be unknown: then any that runs will do.
    return rng.choice(choice or brokers(world, supervisor))


def process_faults(supervisor: Supervisor) -> list[Fault]:
    """Return the faults of processes but brokers; the orchestrator gets its own, being where it all meets."""
    return [
        Down("process-killed", Kind.PROCESS, supervisor, services),
        Down("process-orchestrator-killed", Kind.PROCESS, supervisor, orchestrators),
        StandingStill("process-stopped", Kind.PROCESS, supervisor, services),
        StandingStill("process-orchestrator-stopped", Kind.PROCESS, supervisor, orchestrators),
        StandingStill("process-orchestrator-zombie", Kind.PROCESS, supervisor, orchestrators, LONG_S),
    ]


def broker_faults(supervisor: Supervisor) -> list[Fault]:
    return [
        Down("broker-restarted", Kind.BROKER, supervisor, brokers, SIGTERM),
        Down("broker-killed", Kind.BROKER, supervisor, brokers),
        Down("broker-leader-killed", Kind.BROKER, supervisor, message_leaders),
    ]
