"""From started to ready: state store reached, own contracts found in the registry, agent announced."""

import asyncio
from datetime import timedelta
from typing import Final, NoReturn

from signalbox.process.retry import retry_while_unavailable
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.errors import Unavailable, Unwritable
from signalbox.protocol.records import Draft
from signalbox.telemetry import Readiness, logger
from signalbox_agent.announcing import announcement_of
from signalbox_agent.contracts import OwnContracts
from signalbox_agent.kit import Agent
from signalbox_agent.parts import Parts

_log = logger(__name__)
_PURGE_EVERY_S: Final = 3600.0

CONTRACTS: Final = "contracts"
ANNOUNCEMENT: Final = "announcement"


async def until_ready(
    agent: Agent, definition: AgentDefinition, parts: Parts, ready: Readiness
) -> tuple[OwnContracts, Draft]:
    """Reach the store, find the agent's contracts and announce it, waiting as long as it takes.

    Returns the contracts and what was announced.
    """

    async def reach_the_store() -> None:
        await asyncio.to_thread(parts.store.prepare)

    async def look_up() -> OwnContracts:
        return await OwnContracts.look_up(agent, parts.registry, pins=parts.settings.contract_pins)

    await retry_while_unavailable(reach_the_store, ready)
    contracts = await retry_while_unavailable(look_up, ready)
    ready.done(CONTRACTS)
    announcement = announcement_of(definition, contracts, parts)
    await retry_while_unavailable(lambda: _publish(announcement, parts), ready)
    ready.done(ANNOUNCEMENT)
    _log.info("agent_ready", agent=definition.id, endpoint=definition.endpoint, model=parts.model.name)
    return contracts, announcement


async def repeat(announcement: Draft, parts: Parts) -> NoReturn:
    """Publish the announcement again and again, byte for byte.

    Others may write the topic: what they write counts nothing, but when the broker compacts the topic it
    keeps theirs, and an orchestrator that starts then would not know the agent. It is the same record, so it
    neither undoes a removal nor replaces a newer announcement.
    """
    while True:
        await asyncio.sleep(parts.settings.announce_every_s)
        try:
            await _publish(announcement, parts)
        except Unavailable as error:
            _log.warning("announcement_not_repeated", detail=str(error))


async def _publish(announcement: Draft, parts: Parts) -> None:
    try:
        await parts.producer.publish(announcement)
    except Unwritable as error:
        if not error.misplaced:
            raise
        # The topic is at fault, and will be there once `signalbox topics apply` was run.
        raise Unavailable("broker", str(error)) from error


async def forget_old_answers(parts: Parts) -> None:
    """Purge the state store of what is older than ``STATE_RETENTION_H``, every hour."""
    retention = timedelta(hours=parts.settings.state_retention_h)
    while True:
        try:
            purged = await asyncio.to_thread(parts.store.purge, retention)
            _log.info("old_answers_purged", count=purged)
        except Unavailable as error:
            _log.warning("purge_postponed", detail=str(error))
        await asyncio.sleep(_PURGE_EVERY_S)
