"""When the model is asked at all: for every message, where there is a choice, or where none was learned."""

import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Final, Literal, Protocol

from prometheus_client import Counter, Gauge

from signalbox.gate import Accepted
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import NO_AGENT, AgentId
from signalbox.telemetry import logger
from signalbox_decide.learned import Learned, is_sure
from signalbox_decide.reporting import Report, untold
from signalbox_decide.router import Choice, message_text

RouterAsk = Literal["always", "ambiguous", "learned"]

_log = logger(__name__)
_CHOICES = Counter("signalbox_learned_choices", "Choices with ROUTER_ASK=learned, by who made them", ["by"])
_NOT_LEARNED = Gauge(
    "signalbox_agents_not_learned", "Agents that the learned router knows not as they are now"
)
_PART: Final = "router learned"
_WHY: Final = "it was learned with other definitions"
_LEARN: Final = "learn again: signalbox routes train"
_SHOWN: Final = 12


class Chooser(Protocol):
    """Chooses one of the candidates, at least one, for a message: :class:`signalbox_decide.router.Router`."""

    async def choose(self, message: Accepted, candidates: Sequence[AgentDefinition]) -> Choice:
        """Choose one of them, or none."""


class WhereAmbiguous:
    """Asks ``router`` where there is a choice; an agent that is alone gets the message.

    No model is asked whether an agent that is alone should take it: none can say that the work is done.
    """

    def __init__(self, router: Chooser) -> None:
        self._router = router

    async def choose(self, message: Accepted, candidates: Sequence[AgentDefinition]) -> Choice:
        """Choose one of ``candidates``; raises what ``router`` raises."""
        if len(candidates) > 1:
            return await self._router.choose(message, candidates)
        reason = "the only candidate: no model was asked (ROUTER_ASK=ambiguous)"
        return Choice(
            candidates[0].id, reason, model="", calls=0, input_tokens=0, output_tokens=0, latency_ms=0
        )


class WhereUnsure:
    """Chooses by what was ``learned`` where its confidence is ``at_least`` so much; else asks ``router``.

    A candidate that it was not learned with, or not as it is defined now, makes it ask. ``report`` is told
    while there is such an agent.
    """

    def __init__(self, router: Chooser, learned: Learned, at_least: float, report: Report = untold) -> None:
        self._router = router
        self._learned = learned
        self._at_least = at_least
        self._report = report
        self._not_learned: Collection[AgentId] = frozenset()

    async def choose(self, message: Accepted, candidates: Sequence[AgentDefinition]) -> Choice:
        """Choose one of ``candidates``; raises what ``router`` raises."""
        started = time.perf_counter()
        agent, confidence = self._learned.choose(message_text(message.record_type, message.datum), candidates)
        if not is_sure(confidence, self._at_least):
            _CHOICES.labels("model").inc()
            return await self._router.choose(message, candidates)
        _CHOICES.labels("learned").inc()
        return Choice(
            agent=None if agent == NO_AGENT else AgentId(agent),
            reason=f"learned from earlier decisions, confidence {confidence:.2f}; no model was asked",
            model=f"learned:{self._learned.digest[:_SHOWN]}",
            calls=0,
            input_tokens=0,
            output_tokens=0,
            latency_ms=round((time.perf_counter() - started) * 1000),
        )

    def look_at(self, agents: Iterable[AgentDefinition]) -> None:
        """Tell of which of ``agents``, all that there are, nothing was learned as they are defined now."""
        unknown = frozenset(self._learned.unknown(list(agents)))
        for agent in sorted(unknown.difference(self._not_learned)):
            _log.warning("not_learned_as_defined_now", agent=agent, learn=_LEARN)
        self._not_learned = unknown
        _NOT_LEARNED.set(len(unknown))
        self._report(_PART, _refused(sorted(unknown)) if unknown else None)


def _refused(agents: Sequence[AgentId]) -> str:
    names = ", ".join(agents)
    return f"refused where {names} may take the message, and the model is asked: {_WHY}; {_LEARN}"


def chooser_of(
    router: Chooser,
    ask: RouterAsk,
    learned: Path | None = None,
    at_least: float = 1.0,
    report: Report = untold,
) -> Chooser:
    """Return who chooses, by the setting ``ROUTER_ASK``; ``learned`` is a file of `signalbox routes train`.

    Raises:
        ConfigurationError: that file is missing or not right.
    """
    match ask:
        case "always":
            return router
        case "ambiguous":
            return WhereAmbiguous(router)
        case "learned":
            if learned is None:
                raise ConfigurationError("ROUTER_ASK=learned needs ROUTER_LEARNED, a file of `routes train`")
            return WhereUnsure(router, Learned.load(learned, {}), at_least, report)
