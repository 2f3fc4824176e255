"""The in-memory Signalbox itself: what is sent into it, and what came of it."""

from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Self, TypeVar

from pydantic import BaseModel

from signalbox import control
from signalbox.catalog import Catalog
from signalbox.models import OFFLINE, Model, ModelSettings
from signalbox.protocol.dead_letters import DeadLetter
from signalbox.protocol.names import (
    AGENT_MESSAGES,
    AGENT_REGISTRY,
    AGENT_ROUTES,
    INCOMING_LEADS,
    AgentId,
    Headers,
    dead_letter_topic,
)
from signalbox.protocol.records import Draft, Record
from signalbox_agent.kit import Agent, Bound
from signalbox_agent.testing.catalogs import catalog_of
from signalbox_agent.testing.deciding import RecordDecider
from signalbox_agent.testing.dispatching import Dispatching
from signalbox_agent.testing.log import MemoryLog
from signalbox_agent.testing.messages import LoggedMessage, Messages
from signalbox_agent.testing.patience import Patience
from signalbox_agent.testing.registry import MemoryRegistry
from signalbox_agent.testing.routes import Route, route_of
from signalbox_agent.testing.service import AgentService
from signalbox_decide.clock import SYSTEM, Clock
from signalbox_decide.guards import Guards

T = TypeVar("T", bound=BaseModel)
GUARDS: Final = Guards(hops=12, visits=3, tokens=200_000, age=timedelta(hours=24))
"""The limits of an orchestrator whose settings say nothing else."""
_DEAD_LETTERS: Final = frozenset(map(dead_letter_topic, (INCOMING_LEADS, AGENT_MESSAGES, AGENT_ROUTES)))


class InMemorySignalbox:
    """A Signalbox with ``agents`` in this process; enter it to start them.

    ``contracts`` are registered beside the agents' own. ``catalog`` says which record types the topics admit;
    by default ``contracts/catalog.yaml`` from here upward, or nothing but what the agents announce. ``model``
    answers the agents, and ``router`` chooses among them; both are offline by default. An agent that fails on
    a message gets it ``attempts`` times. What waits longer than ``patience_s`` seconds for an outcome raises
    :class:`Unsettled`: give more to a real model.
    """

    def __init__(
        self,
        agents: Iterable[Agent] = (),
        *,
        contracts: Iterable[Bound] = (),
        catalog: Catalog | Path | str | None = None,
        model: Model | None = None,
        router: Model | None = None,
        guards: Guards = GUARDS,
        clock: Clock = SYSTEM,
        attempts: int = 3,
        patience_s: float = 10.0,
    ) -> None:
        self.registry, self.log = MemoryRegistry(), MemoryLog(clock.now)
        self._agents, self._clock = list(agents), clock
        self.catalog = catalog_of(catalog)
        self._model = model or _offline()
        self._services: dict[AgentId, AgentService] = {}
        patience = self._patience = Patience(patience_s)
        self._deciding = RecordDecider(
            self.log,
            self.registry,
            self.catalog,
            router or _offline(),
            replace(guards, clock=clock),
            patience.report,
        )
        self._dispatching = Dispatching(self._deciding, self._services, patience, attempts)
        self._settled = 0
        self._closing = AsyncExitStack()
        for record_type in control.record_types():
            self.registry.register(record_type, control.schema_text(record_type))
        self._messages = Messages(self.registry)
        self._messages.register(contracts)

    async def __aenter__(self) -> Self:
        await self._deciding.control.load()
        self._folder = Path(self._closing.enter_context(TemporaryDirectory(prefix="signalbox-")))
        async with AsyncExitStack() as failing:
            failing.push_async_callback(self._closing.aclose)
            for agent in self._agents:
                await self.start(agent)
            failing.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._closing.aclose()

    async def start(self, agent: Agent) -> None:
        """Start ``agent``: its contracts are registered, and it announces itself.

        Raises:
            Unavailable: the registry is switched off.
        """
        self._messages.register((*agent.takes, *agent.gives))
        service = await AgentService.start(agent, self.registry, self.log, self._model, self._folder)
        self._closing.push_async_callback(service.close)
        self._services[agent.definition.id] = service

    async def send(
        self, record: BaseModel, *, lead_id: str = "", topic: str = "", **attributes: Any
    ) -> Record:
        """Send ``record`` to intake when the catalog admits it there, else to the agents, or to ``topic``.

        Its key is ``lead_id``, else the id of the lead that it holds, else its own id. ``attributes`` are
        fields of :class:`Envelope`: ``source``, ``hop``, ``correlation_id``.

        Raises:
            ConfigurationError: no contract is bound to the record's class.
        """
        if not topic:
            is_first = self.catalog.admits(INCOMING_LEADS, self._messages.type_of(record))
            topic = INCOMING_LEADS if is_first else AGENT_MESSAGES
        return self.log.append(self._messages.draft(topic, record, lead_id, self._clock.now(), attributes))

    async def send_record(
        self,
        value: bytes | None,
        headers: Headers = (),
        *,
        key: bytes | None = b"lead-1",
        topic: str = AGENT_MESSAGES,
    ) -> Record:
        """Send a record as it is, good or bad; one without a value on ``agent_registry`` removes an agent."""
        return self.log.append(Draft(topic, key, value, headers))

    async def redeliver(self, message: LoggedMessage | Record) -> Record:
        """Send a message once more, byte for byte."""
        record = message.at if isinstance(message, LoggedMessage) else message
        return self.log.append(
            Draft(record.topic, record.key, record.value, record.headers, record.partition)
        )

    async def restart(self) -> None:
        """Start the orchestrator again: what was decided is read back from the log."""
        await self._deciding.restart()

    async def until_idle(self) -> None:
        """Settle what lies in the log, one record after the other, until each has its outcome.

        Raises:
            Unsettled: one has none in time. It is next when this is called again.
        """
        await self._deciding.contracts.refresh()
        while self._settled < len(self.log.records):
            for draft in await self._outcome(self.log.records[self._settled]):
                self.log.append(draft)
            self._settled += 1

    @property
    def messages(self) -> list[LoggedMessage]:
        """What lies on ``agent_messages`` and can be read, in order."""
        read = map(self._messages.read, self.log.on(AGENT_MESSAGES))
        return [message for message in read if message is not None]

    def records(self, model: type[T]) -> list[T]:
        """Return the records of one type on ``agent_messages``, in order."""
        return [message.record for message in self.messages if isinstance(message.record, model)]

    @property
    def dead_letters(self) -> list[DeadLetter]:
        """What was refused, and why, in order."""
        return [DeadLetter.of(record) for record in self.log.records if record.topic in _DEAD_LETTERS]

    @property
    def routes(self) -> list[Route]:
        """The decisions that are no dead letters, in order."""
        return [route_of(record, self._deciding.control) for record in self.log.on(AGENT_ROUTES)]

    async def _outcome(self, record: Record) -> Sequence[Draft]:
        deciding, settle = self._deciding, self._patience.settle
        match record.topic:
            case topic if topic == AGENT_REGISTRY:
                await settle(record, lambda: deciding.announced(record))
            case topic if topic in (INCOMING_LEADS, AGENT_MESSAGES):
                return await settle(record, lambda: deciding.decide(record))
            case topic if topic == AGENT_ROUTES:
                return await self._dispatching.dispatch(record)
        return ()


def _offline() -> Model:
    return Model(OFFLINE, ModelSettings())
