"""When the model is asked at all: for every message, or where more than one agent may take it."""

from collections.abc import Sequence
from typing import Literal, Protocol

from signalbox.gate import Accepted
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox_decide.router import Choice

RouterAsk = Literal["always", "ambiguous"]


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


def chooser_of(router: Chooser, ask: RouterAsk) -> Chooser:
    """Return who chooses, by the setting ``ROUTER_ASK``."""
    return WhereAmbiguous(router) if ask == "ambiguous" else router
