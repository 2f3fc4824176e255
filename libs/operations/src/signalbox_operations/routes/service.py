"""What is done about decisions of the router: they are read back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from signalbox.gate.control_records import ControlRecords
from signalbox.kafka import KafkaSettings, read_to_end
from signalbox.protocol.names import AGENT_ROUTES
from signalbox.protocol.records import Record
from signalbox.registry.client import Registry, RegistrySettings
from signalbox_operations.contracts.announced import TOPICS
from signalbox_operations.routes.definitions import Definitions, definitions
from signalbox_operations.routes.payloads import Payloads
from signalbox_operations.routes.recorded import Recorded, last_decisions, recorded

_READ_S: Final = 600.0


class RouteService:
    """Reads decisions and the agents that they are about."""

    def __init__(self, kafka: KafkaSettings, registry: Registry, control: ControlRecords) -> None:
        self._kafka = kafka
        self._control = control
        self._payloads = Payloads(registry)

    async def recorded(self, since: datetime) -> Recorded:
        """Read what was decided since ``since``, as far back as ``agent_routes`` is kept.

        Raises:
            Unavailable: broker or registry can't be reached, or a topic does not exist.
        """
        routes = await asyncio.to_thread(self._read_since, since, AGENT_ROUTES)
        return await recorded(await last_decisions(routes, self._control), self._payloads)

    async def agents(self) -> Definitions:
        """Return the agents' definitions as they are announced now.

        Raises:
            Unavailable: broker or registry can't be reached, or a topic does not exist.
        """
        announced = await asyncio.to_thread(lambda: list(read_to_end(self._kafka, TOPICS)))
        return await definitions(self._control, announced)

    def _read_since(self, since: datetime, *topics: str) -> list[Record]:
        seconds = since.timestamp()
        found = read_to_end(self._kafka, topics, patience_s=_READ_S, starting=lambda _: max(seconds, 0.0))
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
