"""Finding out whether an agent that announced itself is there: it is no candidate before it was reached."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx2

from orchestrator.dispatch.agent_client import answers
from signalbox.process.private_files import write_private
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import AgentId
from signalbox.telemetry import logger
from signalbox_decide.directory import Directory

_log = logger(__name__)
_AT_ONCE: Final = 8
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 15.0


class Reaching:
    """Asks each agent that was not reached yet, with growing pauses, whether it is ready, or alive at least.

    What was reached, and who is routed to, is kept in ``folder``, so that an agent that is away when this
    process starts stays a candidate, and a removed one's routes are released.

    Raises:
        ConfigurationError: ``folder`` can't be written.
    """

    def __init__(self, directory: Directory, http: httpx2.AsyncClient, folder: Path) -> None:
        self._directory = directory
        self._http = http
        self._file = folder / "agents.json"
        self._room = asyncio.Semaphore(_AT_ONCE)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._kept = _read(self._file)
        except OSError as error:
            raise ConfigurationError(f"DATA_DIR must be a folder that can be written: {error}") from error
        directory.remember(self._kept)

    async def follow(self) -> None:
        """Ask and keep, without an end."""
        asking: dict[AgentId, asyncio.Task[None]] = {}
        try:
            while True:
                changed = self._directory.change(None)
                wanted = self._directory.unreached
                for agent in [agent for agent, task in asking.items() if agent not in wanted or task.done()]:
                    asking.pop(agent).cancel()
                for agent in wanted - asking.keys():
                    asking[agent] = asyncio.create_task(self._ask(agent))
                self._keep()
                await changed
        finally:
            for task in asking.values():
                task.cancel()

    async def _ask(self, agent: AgentId) -> None:
        pause_s = _FIRST_PAUSE_S
        while (registered := self._directory.agents.get(agent)) is not None:
            endpoint = registered.definition.endpoint
            async with self._room:
                there = await answers(self._http, endpoint, "/readyz") or await answers(
                    self._http, endpoint, "/healthz"
                )
            if there:
                self._directory.reached(agent, endpoint)
                return
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _keep(self) -> None:
        kept = self._directory.to_remember
        if not self._directory.read_to_its_end.is_set() or kept == self._kept:
            return
        try:
            write_private(self._file, json.dumps(kept))
        except OSError as error:  # it is asked again after the next start
            _log.error("can't keep which agents were reached", why=str(error))
            return
        self._kept = kept


def _read(path: Path) -> Mapping[AgentId, str]:
    try:
        said = json.loads(path.read_text())
        return {AgentId(str(agent)): str(endpoint) for agent, endpoint in said.items()}
    except (FileNotFoundError, ValueError, AttributeError):
        return {}
