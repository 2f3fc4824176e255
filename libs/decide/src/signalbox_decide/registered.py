"""An agent as its announcement describes it, checked, with its conditions compiled."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import httpx2

from signalbox.control.models import AgentRegistered
from signalbox.gate import Condition
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import AgentId, RecordType

_LAST_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class RegisteredAgent:
    """An agent's definition with its conditions compiled, by record type."""

    definition: AgentDefinition
    conditions: Mapping[RecordType, Condition | None] = field(compare=False)

    def takes(self, record_type: RecordType) -> bool:
        """True when the agent takes this type under some condition, or none."""
        return record_type in self.conditions

    def accepts(self, record_type: RecordType, datum: Mapping[str, Any]) -> bool:
        """True when the agent takes this type and its condition holds for ``datum``."""
        condition = self.conditions[record_type]
        return condition is None or condition.holds(datum)


def registered(agent: AgentId, said: AgentRegistered, allowed: re.Pattern[str]) -> RegisteredAgent:
    """Check what ``agent`` announced; its endpoint must match ``allowed`` as a whole.

    Raises:
        ConfigurationError: the record is another agent's, or its endpoint is no address that may be called.
        ValueError: the definition is not right, or larger than definitions may be.
    """
    if said.agent_id != agent:
        raise ConfigurationError(f"the key says {agent}, the record {said.agent_id[:64]}")
    if not allowed.fullmatch(said.endpoint):
        raise ConfigurationError(f"{said.endpoint[:200]} is not allowed by AGENT_ENDPOINT_ALLOW")
    _require_address(said.endpoint)
    definition = AgentDefinition.announced(said.model_dump())
    conditions = {
        entry.record_type: None if entry.when is None else _condition(entry.when)
        for entry in definition.input
    }
    return RegisteredAgent(definition, conditions)


@lru_cache(maxsize=512)
def _condition(expression: str) -> Condition:
    # An agent announces the same conditions at each of its starts.
    return Condition(expression)


def _require_address(endpoint: str) -> None:
    try:
        port = httpx2.URL(endpoint).port
    except httpx2.InvalidURL as error:
        raise ConfigurationError(f"{endpoint} is no address: {error}") from error
    if port is not None and not 0 < port <= _LAST_PORT:
        raise ConfigurationError(f"{endpoint} has no TCP port from 1 to {_LAST_PORT}")
