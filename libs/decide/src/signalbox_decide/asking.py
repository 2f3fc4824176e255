"""When the model is asked at all: for every message, where there is a choice, or where none was learned."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, Protocol

from signalbox.gate import Accepted
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import NO_AGENT, AgentId
from signalbox.telemetry import logger
from signalbox_decide.learned import Learned
from signalbox_decide.router import Choice, message_text

RouterAsk = Literal["always", "ambiguous", "learned"]

_log = logger(__name__)
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

    A candidate that it was not learned with, or not as it is defined now, makes it ask.
    """

    def __init__(self, router: Chooser, learned: Learned, at_least: float) -> None:
        self._router = router
        self._learned = learned
        self._at_least = at_least
        self._told: set[AgentId] = set()

    async def choose(self, message: Accepted, candidates: Sequence[AgentDefinition]) -> Choice:
        """Choose one of ``candidates``; raises what ``router`` raises."""
        started = time.perf_counter()
        agent, confidence = self._learned.choose(message_text(message.record_type, message.datum), candidates)
        if not confidence or confidence < self._at_least:
            self._tell_of(self._learned.unknown(candidates))
            return await self._router.choose(message, candidates)
        return Choice(
            agent=None if agent == NO_AGENT else AgentId(agent),
            reason=f"learned from earlier decisions, confidence {confidence:.2f}; no model was asked",
            model=f"learned:{self._learned.digest[:_SHOWN]}",
            calls=0,
            input_tokens=0,
            output_tokens=0,
            latency_ms=round((time.perf_counter() - started) * 1000),
        )

    def _tell_of(self, unknown: Sequence[AgentId]) -> None:
        for agent in unknown:
            if agent not in self._told:
                self._told.add(agent)
                _log.warning("not_learned_as_defined_now", agent=agent, learn="signalbox routes train")


def chooser_of(
    router: Chooser, ask: RouterAsk, learned: Path | None = None, at_least: float = 1.0
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
            return WhereUnsure(router, Learned.load(learned, {}), at_least)
