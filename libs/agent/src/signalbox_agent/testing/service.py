"""An agent's service without HTTP: what ``POST /messages`` does to a message, and what it answers."""

from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from signalbox.models import Model
from signalbox.protocol.agent_http import request_headers
from signalbox.protocol.envelope import CONTENT_TYPE, Envelope, text
from signalbox.protocol.errors import Unavailable
from signalbox.protocol.names import LeadId
from signalbox.protocol.records import Record
from signalbox.telemetry import Readiness
from signalbox.trust import Doorkeeper, SigningKey
from signalbox_agent.contracts import OwnContracts
from signalbox_agent.idempotent_handler import IdempotentHandler
from signalbox_agent.kit import Agent
from signalbox_agent.parts import Parts
from signalbox_agent.posting import delivery_of
from signalbox_agent.problems import problem_of
from signalbox_agent.settings import AgentSettings
from signalbox_agent.startup import ANNOUNCEMENT, CONTRACTS, until_ready
from signalbox_agent.testing.log import MemoryLog
from signalbox_agent.testing.registry import MemoryRegistry
from signalbox_agent.testing.store import MemoryStore

_LATER: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


@dataclass(frozen=True, slots=True)
class Answer:
    """The status by which the service would answer, and why."""

    status: HTTPStatus
    detail: str = ""


class AgentService:
    """Takes one agent's messages. Its background work and further routes are not run."""

    def __init__(self, agent: Agent, contracts: OwnContracts, parts: Parts) -> None:
        self._id = agent.definition.id
        self._contracts = contracts
        self._handler = IdempotentHandler(agent, contracts, parts)
        self._parts = parts

    @classmethod
    async def start(
        cls, agent: Agent, registry: MemoryRegistry, log: MemoryLog, model: Model, folder: Path
    ) -> "AgentService":
        """Find the contracts of ``agent`` and announce it; what it keeps beside its answers is in ``folder``.

        Raises:
            Unavailable: the registry has none of its contracts.
        """
        identity = agent.definition.id
        parts = Parts(
            settings=AgentSettings(data_dir=folder),
            key=SigningKey.generate(),
            door=Doorkeeper(identity, dict),
            store=MemoryStore(),
            registry=registry,
            producer=log,
            model=model,
            stop=_asked_to_stop,
        )
        definition = agent.definition.with_endpoint("http://in-memory")
        contracts, _ = await until_ready(agent, definition, parts, Readiness(CONTRACTS, ANNOUNCEMENT))
        return cls(agent, contracts, parts)

    async def post(self, original: Record) -> Answer:
        """Hand ``original`` to the agent.

        Raises:
            Unavailable: the agent would answer 429 or 503.
        """
        headers = request_headers(Envelope.parse(original.headers), LeadId(text(original.key, "key")))
        try:
            delivery = delivery_of(self._contracts, CONTENT_TYPE, headers, {}, original.value or b"")
            await self._handler.take(delivery)
        except Exception as error:
            problem = problem_of(error)
            if problem.status in _LATER:
                raise Unavailable(self._id, problem.detail, problem.retry_after) from error
            unexpected = problem.status is HTTPStatus.INTERNAL_SERVER_ERROR
            return Answer(
                problem.status, f"{type(error).__name__}: {error}" if unexpected else problem.detail
            )
        return Answer(HTTPStatus.OK)

    async def close(self) -> None:
        """Close what is open."""
        await self._handler.drain(0)
        await self._parts.close()


def _asked_to_stop() -> None:
    """Go on: what made the agent ask is what its message is answered with."""
