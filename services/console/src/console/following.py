"""Following the topics: Kafka on one side, the projection on the other."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Final, Protocol

from console.decoding import Schemas
from console.projection import Projection
from console.registrations import TrustedRegistrations
from signalbox.process.retry import retry_while_unavailable
from signalbox.protocol.records import Record
from signalbox.telemetry import Readiness

TOPICS: Final = "topics"
REGISTRY: Final = "registry"
_BROKER: Final = "broker"


class Topics(Protocol):
    """What is followed: :class:`signalbox.kafka.Reader`."""

    @property
    def caught_up(self) -> bool:
        """True once the ends seen at start were reached."""

    def records(self) -> AsyncIterator[list[Record]]:
        """Yield batches forever, empty ones too; raises ``Unavailable`` and can be asked again."""


async def follow(
    topics: Topics,
    schemas: Schemas,
    registrations: TrustedRegistrations,
    projection: Projection,
    readiness: Readiness,
) -> None:
    """Project every record forever; what can't be reached is waited for, and nothing is left out."""

    async def read() -> None:
        async for records in topics.records():
            readiness.done(_BROKER)
            # A batch is read only once, so these wait for registry and store, not the loop around them.
            await retry_while_unavailable(partial(schemas.prepare, records), readiness)
            shown = registrations.passing(records, caught_up=topics.caught_up)
            await retry_while_unavailable(partial(asyncio.to_thread, projection.apply, *shown), readiness)
            if topics.caught_up:
                readiness.done(TOPICS)

    await retry_while_unavailable(schemas.reach, readiness)
    readiness.done(REGISTRY)
    await retry_while_unavailable(read, readiness)
