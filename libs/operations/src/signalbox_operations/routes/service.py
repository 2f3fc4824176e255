"""What is done about decisions of the router: they are read back, and corrected."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from signalbox.gate.control_records import ControlRecords
from signalbox.kafka import KafkaSettings, Producer, read_to_end
from signalbox.protocol.headers import CE
from signalbox.protocol.names import AGENT_ROUTES, GOVERNANCE_AUDIT, AgentId, MessageId
from signalbox.protocol.records import Record
from signalbox.registry.client import Registry, RegistrySettings
from signalbox_operations.contracts.announced import TOPICS
from signalbox_operations.routes.corrections import (
    Correction,
    NotCorrectable,
    correction_of,
    corrections_in,
    event_of,
)
from signalbox_operations.routes.definitions import Definitions, definitions
from signalbox_operations.routes.payloads import Payloads
from signalbox_operations.routes.recorded import Recorded, last_decisions, recorded

_READ_S: Final = 600.0


class RouteService:
    """Reads decisions and the agents that they are about, and corrects decisions."""

    def __init__(self, kafka: KafkaSettings, registry: Registry, control: ControlRecords) -> None:
        self._kafka = kafka
        self._control = control
        self._payloads = Payloads(registry)

    async def recorded(self, since: datetime) -> Recorded:
        """Read what was decided since ``since``, as far back as ``agent_routes`` is kept.

        Raises:
            Unavailable: broker or registry can't be reached, or a topic does not exist.
        """
        routes = await asyncio.to_thread(self._since, since, AGENT_ROUTES)
        audit = await asyncio.to_thread(self._since, since, GOVERNANCE_AUDIT)
        corrections = await corrections_in(audit, self._control)
        return await recorded(await last_decisions(routes, self._control), corrections, self._payloads)

    async def agents(self) -> Definitions:
        """Return the agents' definitions as they are announced now.

        Raises:
            Unavailable: broker or registry can't be reached, or a topic does not exist.
        """
        announced = await asyncio.to_thread(lambda: list(read_to_end(self._kafka, TOPICS)))
        return await definitions(self._control, announced)

    async def correct(self, message: MessageId, agent: AgentId | None, who: str, why: str) -> Correction:
        """Say that ``agent``, or none, should have been chosen for ``message``; saying it again adds nothing.

        Raises:
            NotCorrectable: there is no decision on it, or ``agent`` was no candidate, or was chosen.
            Unavailable: broker or registry can't be reached; repeating the command is safe.
        """
        routes = await asyncio.to_thread(self._about, message, AGENT_ROUTES)
        decided = (await last_decisions(routes, self._control)).by_message.get(message)
        if decided is None:
            raise NotCorrectable(f"there is no decision on the message {message}, or it is not kept any more")
        audit = await asyncio.to_thread(self._about, message, GOVERNANCE_AUDIT)
        former = (await corrections_in(audit, self._control)).get(message)
        correction = correction_of(decided, agent, who, why, former)
        if correction.is_new:
            await self._publish(correction)
        return correction

    async def _publish(self, correction: Correction) -> None:
        await self._control.load()
        producer = Producer(self._kafka, "signalbox-routes")
        try:
            await producer.publish(event_of(correction, self._control))
        finally:
            await producer.close()

    def _about(self, message: MessageId, topic: str) -> list[Record]:
        # Decisions and audit events name the message as their cause.
        found = read_to_end(self._kafka, [topic], patience_s=_READ_S)
        return [record for record in found if record.header(CE.CAUSATIONID) == message.encode()]

    def _since(self, since: datetime, topic: str) -> list[Record]:
        seconds = since.timestamp()
        found = read_to_end(self._kafka, [topic], patience_s=_READ_S, starting=lambda _: max(seconds, 0.0))
        # A partition is read from its first record of that time on, and later ones may carry earlier times.
        return [record for record in found if record.timestamp_ms >= seconds * 1000]


@asynccontextmanager
async def open_route_service() -> AsyncIterator[RouteService]:
    """Open the service with the settings of the environment."""
    registry = Registry(RegistrySettings())
    try:
        yield RouteService(KafkaSettings(), registry, ControlRecords(registry))
    finally:
        await registry.close()
