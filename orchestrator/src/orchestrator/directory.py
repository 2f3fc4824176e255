"""The agents that there are: a view of the compacted topic ``agent_registry``."""

import asyncio
import re
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import httpx
from prometheus_client import Gauge

from orchestrator.trust import Trust, read_topic
from signalbox.agent import AgentDefinition
from signalbox.control import ControlRecords
from signalbox.errors import ConfigurationError, Refusal
from signalbox.governance import Condition
from signalbox.kafka import KafkaSettings
from signalbox.names import AGENT_REGISTRY, AgentId, RecordType
from signalbox.patience import patiently
from signalbox.records import Record
from signalbox.telemetry import Readiness, logger
from signalbox_contracts.control import AgentRegistered

_log = logger(__name__)
_AGENT_ID: Final = re.compile(r"[a-z][a-z0-9._-]{0,63}")
_LAST_PORT: Final = 65535
_AGENTS = Gauge("signalbox_agents", "Agents in the directory")


@dataclass(frozen=True, slots=True)
class RegisteredAgent:
    """An agent's definition with its conditions compiled, by record type."""

    definition: AgentDefinition
    conditions: Mapping[RecordType, Condition | None]

    def takes(self, record_type: RecordType) -> bool:
        """True when the agent takes this type under some condition, or none."""
        return record_type in self.conditions

    def accepts(self, record_type: RecordType, datum: Mapping[str, Any]) -> bool:
        """True when the agent takes this type and its condition holds for ``datum``."""
        condition = self.conditions[record_type]
        return condition is None or condition.holds(datum)


class Directory:
    """Follows the registrations; the newest of an agent counts, a tombstone removes it."""

    def __init__(self, control: ControlRecords, endpoint_allow: str) -> None:
        self._control = control
        self._allowed = re.compile(endpoint_allow)
        self._agents: dict[AgentId, RegisteredAgent] = {}
        self._removed: set[AgentId] = set()
        self._changed = asyncio.Event()
        self.changed_at = 0.0
        self.read_to_its_end = asyncio.Event()

    @property
    def agents(self) -> Mapping[AgentId, RegisteredAgent]:
        """The agents by id."""
        return self._agents

    @property
    def known(self) -> frozenset[AgentId]:
        """Every agent that is or was here: a removed one may still have routes to release."""
        return frozenset(self._agents) | self._removed

    def taking(self, record_type: RecordType) -> list[RegisteredAgent]:
        """Return the agents that take ``record_type``, conditions aside, in the order of their ids."""
        return [agent for _, agent in sorted(self._agents.items()) if agent.takes(record_type)]

    def announces(self, record_type: RecordType) -> bool:
        """True when some agent takes or gives ``record_type``."""
        return any(
            agent.takes(record_type) or record_type in _gives(agent) for agent in self._agents.values()
        )

    def ends_with(self, record_type: RecordType, source: str) -> bool:
        """True when ``source`` is an agent that gives ``record_type`` as a terminal one."""
        agent = self._agents.get(AgentId(source))
        return agent is not None and _gives(agent).get(record_type, False)

    def change(self, timeout_s: float | None) -> Coroutine[Any, Any, None]:
        """Wait for the next registration or removal after this call, at most ``timeout_s`` seconds."""
        # The event is taken here and not inside the coroutine, which may begin later: a change in between
        # would not be noticed.
        return _set_within(self._changed, timeout_s)

    async def follow(
        self, settings: KafkaSettings, readiness: Readiness, client_id: str, trust: Trust
    ) -> None:
        """Read the topic from its beginning, for ever; ready once its end was reached."""
        await trust.grants_read.wait()
        async for records, caught_up in read_topic(
            settings, AGENT_REGISTRY, readiness, "directory", client_id
        ):
            for record in records:
                await patiently(partial(trust.judge, record, self.apply, caught_up), readiness)
            if caught_up:
                readiness.done("directory")
                self.read_to_its_end.set()

    async def apply(self, record: Record) -> str | None:
        """Take one trusted registration or tombstone into the directory; return why it was left out.

        What can't be read or is not allowed is logged and left out: a bad definition must not stop the
        others, and must not receive anybody's data.
        """
        agent = AgentId((record.key or b"").decode(errors="replace"))
        if not _AGENT_ID.fullmatch(agent):
            _log.error("registration ignored", agent=agent[:64], why="the key is no agent id")
            return "the key is no agent id"
        if record.value is None:
            self._agents.pop(agent, None)
            self._removed.add(agent)
        else:
            try:
                self._agents[agent] = self._registered(
                    agent, await self._control.read(AgentRegistered, record)
                )
            except (Refusal, ConfigurationError, ValueError) as error:
                _log.error("registration ignored", agent=agent, why=str(error))
                return str(error)
            self._removed.discard(agent)
        _log.info("directory changed", agent=agent, removed=record.value is None)
        _AGENTS.set(len(self._agents))
        self.changed_at = asyncio.get_running_loop().time()
        self._changed.set()
        self._changed = asyncio.Event()
        return None

    def _registered(self, agent: AgentId, said: AgentRegistered) -> RegisteredAgent:
        if said.agent_id != agent:
            raise ConfigurationError(f"the key says {agent}, the record {said.agent_id}")
        if not self._allowed.fullmatch(said.endpoint):
            raise ConfigurationError(f"{said.endpoint} is not allowed by AGENT_ENDPOINT_ALLOW")
        _require_address(said.endpoint)
        definition = AgentDefinition.model_validate(
            {
                "id": said.agent_id,
                "name": said.name,
                "description": said.description,
                "input": [entry.model_dump() for entry in said.input],
                "output": [entry.model_dump() for entry in said.output],
                "endpoint": said.endpoint,
            }
        )
        conditions = {
            entry.record_type: None if entry.when is None else Condition(entry.when)
            for entry in definition.input
        }
        return RegisteredAgent(definition, conditions)


def _require_address(endpoint: str) -> None:
    try:
        port = httpx.URL(endpoint).port
    except httpx.InvalidURL as error:
        raise ConfigurationError(f"{endpoint} is no address: {error}") from error
    if port is not None and not 0 < port <= _LAST_PORT:
        raise ConfigurationError(f"{endpoint} has no TCP port from 1 to {_LAST_PORT}")


def _gives(agent: RegisteredAgent) -> dict[RecordType, bool]:
    return {entry.record_type: entry.terminal for entry in agent.definition.output}


async def _set_within(event: asyncio.Event, timeout_s: float | None) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), timeout_s)
