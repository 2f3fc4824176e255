"""Which agents are away or failing, and since when: for the status, the metrics and the console."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from prometheus_client import Gauge

from orchestrator.dispatch.agent_client import Away, Broken, Failed
from orchestrator.dispatch.circuit_breaker import Circuit, CircuitBreaker
from signalbox.protocol.envelope import time_text
from signalbox.protocol.names import AgentId
from signalbox.telemetry import Readiness, logger

_log = logger(__name__)
_AWAY = Gauge(
    "signalbox_agent_away_since", "When the agent went away, in Unix seconds; 0 while it is there", ["agent"]
)
_CIRCUIT = Gauge("signalbox_agent_circuit", "0 closed, 1 half open, 2 open", ["agent"])
_LEVELS: Final = {Circuit.CLOSED: 0, Circuit.HALF_OPEN: 1, Circuit.OPEN: 2}


@dataclass(frozen=True, slots=True)
class Absence:
    """Since when an agent was not there, and what was last seen of it."""

    since: datetime
    why: str


class AgentAvailability:
    """What calls found out about one agent."""

    def __init__(self, agent: AgentId, readiness: Readiness) -> None:
        self._agent = agent
        self._readiness = readiness
        self._breaker: CircuitBreaker | None = None
        self.absence: Absence | None = None
        _AWAY.labels(agent).set(0)

    def watch(self, breaker: CircuitBreaker) -> None:
        """Tell of ``breaker``'s state, too."""
        self._breaker = breaker
        _CIRCUIT.labels(self._agent).set_function(lambda: _LEVELS[breaker.state])

    def saw(self, outcome: object) -> None:
        """Take the outcome of a call: an agent that answers at all is there."""
        if isinstance(outcome, Away | Broken):
            if self.absence is None:
                _log.warning("agent is away", agent=self._agent, why=outcome.detail)
            self.absence = Absence(self.absence.since if self.absence else datetime.now(UTC), outcome.detail)
        elif self.absence is not None:
            _log.info("agent is back", agent=self._agent, away_since=time_text(self.absence.since))
            self.absence = None
        _AWAY.labels(self._agent).set(self.absence.since.timestamp() if self.absence else 0)
        self._readiness.degraded(f"agent {self._agent}", self._impaired(outcome))

    def forget(self) -> None:
        """Say nothing of the agent any more: it was removed."""
        self.absence = None
        _AWAY.labels(self._agent).set(0)
        self._readiness.degraded(f"agent {self._agent}", None)

    def _impaired(self, outcome: object) -> str | None:
        if self.absence is not None:
            return f"away since {time_text(self.absence.since)}: {self.absence.why}"
        failing_since = self._breaker.open_since if self._breaker else None
        if isinstance(outcome, Failed) and failing_since:
            return f"failing since {time_text(failing_since)}: {outcome.detail}"
        return None

    def told(self) -> dict[str, Any]:
        """Return ``circuit``, and ``away_since`` and ``away_because`` or None."""
        absence, breaker = self.absence, self._breaker
        return {
            "circuit": (breaker.state if breaker else Circuit.CLOSED).value,
            "away_since": time_text(absence.since) if absence else None,
            "away_because": absence.why if absence else None,
        }


class AgentAvailabilities:
    """The presence of every agent that has a dispatcher here."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness
        self._known: dict[AgentId, AgentAvailability] = {}

    def of(self, agent: AgentId) -> AgentAvailability:
        """Return the one presence of ``agent``."""
        if agent not in self._known:
            self._known[agent] = AgentAvailability(agent, self._readiness)
        return self._known[agent]

    def forget(self, agent: AgentId) -> None:
        """Say nothing of ``agent`` any more: its dispatcher has ended."""
        if (availability := self._known.pop(agent, None)) is not None:
            availability.forget()
            for metric in (_AWAY, _CIRCUIT):
                metric.remove_by_labels({"agent": agent})

    def told(self) -> Mapping[str, dict[str, Any]]:
        """Return what :meth:`AgentAvailability.told` says, by agent."""
        return {agent: availability.told() for agent, availability in sorted(self._known.items())}
