"""Routing with all of its parts, in memory: only registry, broker, model and agents are stand-ins."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import committed_contracts
from demonstration_agents import OneModel, text_contract
from memory_registry import SDR, register_committed
from orchestrator.dispatch.agent_client import Refused
from orchestrator.dispatch.dispatch import Dispatch
from signalbox.avro import encode, parse
from signalbox.catalog import Catalog
from signalbox.control.models import (
    AgentInput,
    AgentOutput,
    AgentRegistered,
    MessageRejected,
    RouteDecided,
)
from signalbox.protocol.dead_letters import DeadLetter
from signalbox.protocol.envelope import Envelope
from signalbox.protocol.headers import ROUTE_AGENT
from signalbox.protocol.names import (
    AGENT_MESSAGES,
    AGENT_REGISTRY,
    GOVERNANCE_AUDIT,
    AgentId,
    CorrelationId,
    MessageId,
    RecordType,
)
from signalbox.protocol.records import Draft, Record, written
from signalbox.telemetry import Readiness
from signalbox_agent.testing import MemoryLog, MemoryRegistry
from signalbox_agent.testing.deciding import RecordDecider
from signalbox_decide.directory import Directory
from signalbox_decide.guards import Guards

ASKED: Final = RecordType("demo.Asked")
ANSWERED: Final = RecordType("demo.Answered")
"""Two types that no catalog lists: who may end a workflow with them is the agents' own matter."""

SCHEDULED: Final = RecordType("sdr.CampaignScheduled")
_MAIL: Final = {
    "message_id": "<1@a.example>",
    "scheduled_at": datetime(2026, 1, 2, tzinfo=UTC),
    "status": "sent",
}
CAMPAIGN: Final = {"lead_id": "lead-1", "campaign_id": "one", "campaign_type": "NURTURE", "emails": [_MAIL]}
"""A record of the type with which, by the catalog, each workflow is complete."""

PARTITION: Final = 3
"""Of ``agent_messages``: all messages of these tests are on it."""

HOPS: Final = 12
TOKENS: Final = 100_000
GUARDS: Final = Guards(hops=HOPS, visits=3, tokens=TOKENS, age=timedelta(hours=24))


def agent_of(route: Draft) -> bytes | None:
    """Return the agent that ``route`` is for; None when it ends the workflow."""
    return written(route).header(ROUTE_AGENT)


def _contract(record_type: RecordType) -> str:
    if record_type in SDR:
        return committed_contracts.schema_text(record_type)
    return text_contract(record_type)


class RefusingAgent:
    """Stands for an agent and the calls to it: it refuses everything."""

    async def deliver(self, _: Record, endpoint: Callable[[], str]) -> Refused:
        return Refused(f"{endpoint()} does not want it")


class RoutingInMemory(RecordDecider):
    """Routing, its directory with agents that were reached, and the orchestrator's dispatch of its routes."""

    def __init__(self, topics: MemoryLog) -> None:
        self.topics, self.model = topics, OneModel()
        self.readiness, self.registry = Readiness(), MemoryRegistry()
        register_committed(self.registry, "control.")
        self._schemas = {
            name: (self.registry.register(name, _contract(name)), parse(_contract(name)))
            for name in map(RecordType, (ASKED, ANSWERED, *SDR))
        }
        super().__init__(topics, self.registry, Catalog.load(), self.model, GUARDS)
        self._offset = 0

    async def announce(
        self, agent: str, *, takes: RecordType = ASKED, gives: RecordType = ANSWERED, terminal: bool = False
    ) -> None:
        """Let an agent announce itself, and be reached."""
        await self.taken_into(self.directory, agent, takes, AgentOutput(record_type=gives, terminal=terminal))

    async def taken_into(
        self, directory: Directory, agent: str, takes: RecordType, gives: AgentOutput, port: int = 8200
    ) -> None:
        """Let ``directory`` take in an agent, which is reached."""
        said = AgentRegistered(
            agent_id=agent,
            name=agent,
            description="Answers what it is asked.",
            input=[AgentInput(record_type=takes)],
            output=[gives],
            endpoint=f"http://127.0.0.1:{port}",
            contracts=[],
            registered_at=datetime.now(UTC),
        )
        record = Record(AGENT_REGISTRY, 0, 0, agent.encode(), self.control.write(said))
        assert await directory.apply(record) is None
        directory.reached(AgentId(agent), said.endpoint)

    def message(
        self,
        record_type: RecordType = ASKED,
        datum: Any = None,
        *,
        message_id: str = "m-1",
        workflow: str = "c-1",
        source: str = "somebody",
        **envelope: Any,
    ) -> Record:
        """Make the next record of ``agent_messages``."""
        self._offset += 1
        now = datetime.now(UTC)
        said = Envelope(
            id=MessageId(message_id),
            source=source,
            type=record_type,
            time=now,
            correlation_id=CorrelationId(workflow),
            **{"workflow_time": now, **envelope},
        )
        value = encode(*self._schemas[record_type], datum or {"text": "What is it?"})
        return Record(AGENT_MESSAGES, PARTITION, self._offset, b"lead-1", value, said.headers())

    def again(self, record: Record) -> Record:
        """Deliver ``record`` once more, at the next offset."""
        self._offset += 1
        return replace(record, offset=self._offset)

    async def decides(self, record: Record) -> list[Draft]:
        """Decide on ``record``, and commit what that writes."""
        drafts = await self.decide(record)
        await self.topics.publish(*drafts)
        return drafts

    async def refused_by(self, agent: str, route: Draft) -> list[Draft]:
        """Dispatch ``route`` to ``agent``, which refuses its message."""
        calls: Any = RefusingAgent()
        dispatch = Dispatch(AgentId(agent), calls, self.directory, self.decider, self.records, self.readiness)
        try:
            return list(await dispatch.decide(written(route)))
        finally:
            dispatch.forget()

    def decision(self, draft: Draft) -> RouteDecided:
        """Read a route."""
        return self.control.reread(RouteDecided, draft.value)

    def dead_letter(self, drafts: Sequence[Draft]) -> tuple[DeadLetter, MessageRejected]:
        """Read a dead letter, and the audit event beside it."""
        dead_letter, audit = drafts
        assert audit.topic == GOVERNANCE_AUDIT
        return DeadLetter.of(written(dead_letter)), self.control.reread(MessageRejected, audit.value)
