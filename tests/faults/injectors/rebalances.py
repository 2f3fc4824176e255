"""Orchestrators that come and go, so that partitions never stay where they are."""

import asyncio
import random
from contextlib import suppress
from typing import Final

from fault import Kind, World
from injectors.evidence_of_harm import note_struck
from injectors.supervisor import Supervisor
from local_stack.services import ORCHESTRATOR
from signalbox.protocol.errors import SignalboxError

_STAYS_S: Final = (0.2, 2.0)
_PATIENCE_S: Final = 40.0


class ReplicasComeAndGo:
    """One orchestrator more, then one fewer, again and again, until it is healed."""

    name: Final = "rebalance-replicas-come-and-go"
    kind: Final = Kind.REBALANCE

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._going_on: asyncio.Task[None] | None = None
        self._extra = ""
        self._end = asyncio.Event()
        self.changes = 0

    async def inject(self, world: World, rng: random.Random) -> str:
        self._extra = f"{ORCHESTRATOR}_{world.orchestrators + 1}"
        self._end.clear()
        self._going_on = asyncio.create_task(self._come_and_go(world, self._extra, rng))
        return f"{self.name}: {self._extra}"

    async def heal(self, world: World) -> None:
        self._end.set()
        if self._going_on is None:
            return
        await asyncio.wait([self._going_on], timeout=_PATIENCE_S)
        if not self._going_on.done():
            # What it needs to get ready may be what another fault took away, to be mended after this one.
            await asyncio.to_thread(self._supervisor.take_down, self._extra)
        await self._going_on
        self._supervisor.release(self._extra)
        self._going_on = None
        note_struck(world, self.name, self.changes)
        self.changes = 0

    async def _come_and_go(self, world: World, extra: str, rng: random.Random) -> None:
        while True:
            # A start that another fault keeps from getting ready is a start all the same.
            with suppress(SignalboxError):
                await asyncio.to_thread(world.stack.start_instance, extra)
            self.changes += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._end.wait(), rng.uniform(*_STAYS_S))
            with suppress(SignalboxError):
                await asyncio.to_thread(world.stack.stop_instance, extra)
            self.changes += 1
            if self._end.is_set():
                return
