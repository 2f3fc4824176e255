"""One dispatcher per agent, started when it has something to do, and stopped when that is over."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Final

from orchestrator.consume.stage import Stage
from signalbox.protocol.names import AgentId
from signalbox.telemetry import logger
from signalbox_decide.directory import Directory

_log = logger(__name__)
QUIET_S: Final = 30.0
"""How long a dispatcher that is needed no more has nothing to do before it stops, in seconds."""
_LOOK_S: Final = 1.0

StageFor = Callable[[AgentId], AbstractAsyncContextManager[Stage]]
"""Makes an agent's stage; leaving the context frees what it held."""


@dataclass(slots=True)
class _Running:
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    stage: Stage | None = None

    def has_been_idle(self, seconds: float) -> bool:
        since = None if self.stage is None else self.stage.idle_since
        return since is not None and asyncio.get_running_loop().time() - since >= seconds


class Dispatchers:
    """Keeps a dispatch stage for each agent that was reached or is routed to.

    A stage costs a consumer, a producer and their threads: an agent that only says that it is there gets
    none. That of an agent which was removed releases its routes, and stops when there are none left.
    """

    def __init__(self, directory: Directory, stage_for: StageFor, *, quiet_s: float = QUIET_S) -> None:
        self._directory = directory
        self._stage_for = stage_for
        self._quiet_s = quiet_s
        self._running: dict[AgentId, _Running] = {}

    @property
    def running(self) -> frozenset[AgentId]:
        """The agents that have a stage now."""
        return frozenset(self._running)

    async def run(self, stopping: asyncio.Event) -> None:
        """Start and stop stages, until ``stopping``; return when all have ended.

        Raises:
            Fatal: what a stage raised; the process must stop.
        """
        async with asyncio.TaskGroup() as stages:
            while not stopping.is_set():
                changed = self._directory.change(_LOOK_S)
                for agent in sorted(self._directory.at_work - self._running.keys()):
                    self._running[agent] = _Running()
                    stages.create_task(self._run(agent, self._running[agent]))
                self._stop_what_is_over()
                await _first_of(changed, stopping.wait())
            for running in self._running.values():
                running.stop.set()

    async def _run(self, agent: AgentId, running: _Running) -> None:
        _log.info("dispatcher started", agent=agent)
        async with self._stage_for(agent) as running.stage:
            await running.stage.run(running.stop)
        # Only now: two stages of one agent would fence each other.
        del self._running[agent]
        _log.info("dispatcher stopped", agent=agent)

    def _stop_what_is_over(self) -> None:
        for agent, running in self._running.items():
            if not self._directory.was_reached(agent) and running.has_been_idle(self._quiet_s):
                self._directory.released(agent)
                running.stop.set()


async def _first_of(*waits: object) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]  # type: ignore[call-overload]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
