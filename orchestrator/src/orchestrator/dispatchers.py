"""One dispatcher per agent, started when the directory first tells of it."""

import asyncio
from collections.abc import Callable

from orchestrator.directory import Directory
from orchestrator.stage import Stage
from signalbox.names import AgentId
from signalbox.telemetry import logger

_log = logger(__name__)


class Dispatchers:
    """Keeps a dispatch stage for every agent that is known, removed ones too: they release their routes."""

    def __init__(self, directory: Directory, stage_for: Callable[[AgentId], Stage]) -> None:
        self._directory = directory
        self._stage_for = stage_for
        self._started: set[AgentId] = set()

    async def run(self, stopping: asyncio.Event) -> None:
        """Start stages as agents appear, until ``stopping``; return when all have ended.

        Raises:
            Fatal: what a stage raised; the process must stop.
        """
        async with asyncio.TaskGroup() as stages:
            while not stopping.is_set():
                for agent in sorted(self._directory.known - self._started):
                    _log.info("dispatcher started", agent=agent)
                    self._started.add(agent)
                    stages.create_task(self._stage_for(agent).run(stopping))
                await self._changed_or(stopping)

    async def _changed_or(self, stopping: asyncio.Event) -> None:
        waits = [
            asyncio.create_task(self._directory.change(None)),
            asyncio.create_task(stopping.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
