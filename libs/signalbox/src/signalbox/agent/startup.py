"""From started to ready: state store reached, own contracts found in the registry, agent announced."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

from signalbox.agent.contracts import OwnContracts
from signalbox.agent.definition import AgentDefinition
from signalbox.agent.kit import Agent
from signalbox.agent.parts import Parts
from signalbox.envelope import Envelope
from signalbox.errors import Unavailable
from signalbox.names import AGENT_REGISTRY, CorrelationId, MessageId
from signalbox.patience import patiently
from signalbox.records import Draft
from signalbox.telemetry import Readiness, logger
from signalbox_contracts.control import AgentRegistered

_log = logger(__name__)
_PURGE_EVERY_S: Final = 3600.0

CONTRACTS: Final = "contracts"
ANNOUNCEMENT: Final = "announcement"


async def until_ready(
    agent: Agent, definition: AgentDefinition, parts: Parts, ready: Readiness
) -> OwnContracts:
    """Reach the store, find the agent's contracts and announce it, waiting as long as it takes."""

    async def reach_the_store() -> None:
        await asyncio.to_thread(parts.store.prepare)

    async def look_up() -> OwnContracts:
        return await OwnContracts.look_up(agent, parts.registry, pins=parts.settings.contract_pins)

    await patiently(reach_the_store, ready)
    contracts = await patiently(look_up, ready)
    ready.done(CONTRACTS)
    announcement = _announcement(definition, contracts)
    await patiently(lambda: parts.producer.publish(announcement), ready)
    ready.done(ANNOUNCEMENT)
    _log.info("agent_ready", agent=definition.id, endpoint=definition.endpoint, model=parts.model.name)
    return contracts


async def forget_old_answers(parts: Parts) -> None:
    """Purge the state store of what is older than ``STATE_RETENTION_H``, every hour, for ever."""
    retention = timedelta(hours=parts.settings.state_retention_h)
    while True:
        try:
            purged = await asyncio.to_thread(parts.store.purge, retention)
            _log.info("old_answers_purged", count=purged)
        except Unavailable as error:
            _log.warning("purge_postponed", detail=str(error))
        await asyncio.sleep(_PURGE_EVERY_S)


def _announcement(definition: AgentDefinition, contracts: OwnContracts) -> Draft:
    now = datetime.now(UTC)
    registered = AgentRegistered.model_validate(
        {
            "agent_id": definition.id,
            "name": definition.name,
            "description": definition.description,
            "input": [entry.model_dump() for entry in definition.input],
            "output": [entry.model_dump() for entry in definition.output],
            "endpoint": definition.endpoint,
            "contracts": contracts.versions(),
            "registered_at": now,
        }
    )
    envelope = Envelope(
        id=MessageId(str(uuid4())),
        source=definition.id,
        type=contracts.announcement.record_type,
        time=now,
        correlation_id=CorrelationId(definition.id),
    )
    value = contracts.announcement.encode(registered)
    return Draft(AGENT_REGISTRY, definition.id.encode(), value, envelope.headers())
