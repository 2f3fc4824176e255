"""A server that is away: no one listens at its port."""

import asyncio
import random
from dataclasses import dataclass
from typing import Final

from fault import Kind, World
from injectors.evidence_of_harm import note_struck
from injectors.listener import Listener

_NOTICED_S: Final = 2.5  # services look for new contracts every two seconds in these tests


@dataclass(frozen=True)
class ListenerFault:
    """One of several servers refuses connections."""

    name: str
    kind: Kind
    listeners: dict[str, Listener]

    async def inject(self, world: World, rng: random.Random) -> str:
        victim = rng.choice(sorted(self.listeners))
        await self.listeners[victim].close()
        note_struck(world, self.name, 1)
        await asyncio.sleep(_NOTICED_S)
        return f"{self.name}: {victim} refuses connections"

    async def heal(self, world: World) -> None:
        for listener in self.listeners.values():
            await listener.open()
