"""Decisions on a broker in memory, and the agents that they are about, as the running system writes them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from memory_broker import SCORED, MemoryBroker
from signalbox.control.models import RouteDecided, RouteHeader
from signalbox.gate.control_records import record_type_of
from signalbox.protocol.envelope import Envelope, correlation_id_of, route_id
from signalbox.protocol.headers import CE
from signalbox.protocol.names import AGENT_REGISTRY, AGENT_ROUTES, AgentId, LeadId, MessageId
from signalbox.protocol.records import Draft, Record
from signalbox.trust import TrustSettings, sealed

LEAD = LeadId("lead-1")
Routes = Callable[..., tuple[int, str, str]]
"""Runs ``signalbox routes``; returns exit status, output, and what stands on stderr."""
BAKERY, GARAGE = AgentId("bakery"), AgentId("garage")


class RecordedRoutes:
    """Writes decisions on scored leads; two agents may take them, unless a test says otherwise."""

    def __init__(self, broker: MemoryBroker) -> None:
        self.broker = broker
        self._announced = 0

    def announce(self, agent: str, description: str) -> None:
        """Announce an agent that takes scored leads."""
        now = datetime.now(UTC) + timedelta(milliseconds=self._announced)  # each is newer than the last
        self._announced += 1
        value = self.broker.framed(
            "control.AgentRegistered",
            agent_id=agent,
            name=agent,
            description=description,
            input=[{"record_type": SCORED, "when": None}],
            output=[{"record_type": "sdr.CampaignDrafted", "terminal": False}],
            endpoint="http://127.0.0.1:1",
            contracts=[],
            registered_at=now,
        )
        seal = sealed(
            TrustSettings().own_key(AgentId(agent)), AgentId(agent), value, int(now.timestamp() * 1000)
        )
        self.broker.append(Draft(AGENT_REGISTRY, agent.encode(), value, seal))

    def decide(self, message_id: str, agent: str | None, **changes: Any) -> Record:
        """Write that ``agent`` was chosen for a message, a scored lead; ``changes`` are of its fields."""
        fields: dict[str, Any] = {
            "message_id": message_id,
            "correlation_id": correlation_id_of(LEAD),
            "lead_id": LEAD,
            "record_type": SCORED,
            "candidates": [BAKERY, GARAGE],
            "agent": agent,
            "reason": "it fits",
            "model": "openai:some-model",
            "model_calls": 1,
            "payload": self.broker.framed(SCORED),
            "payload_key": LEAD.encode(),
            "payload_headers": [RouteHeader(name=CE.ID, value=message_id.encode())],
            "source_topic": "agent_messages",
            "source_partition": 0,
            "source_offset": 1,
        }
        decided = RouteDecided.model_validate(fields | changes)
        envelope = Envelope(
            id=route_id(MessageId(message_id), *map(AgentId, decided.excluded)),
            source="orchestrator",
            type=record_type_of(RouteDecided),
            time=datetime.now(UTC),
            correlation_id=correlation_id_of(LEAD),
            causation_id=MessageId(message_id),
        )
        value = self.broker.framed("control.RouteDecided", **decided.model_dump())
        return self.broker.append(Draft(AGENT_ROUTES, LEAD.encode(), value, envelope.headers()))
