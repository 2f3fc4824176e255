"""Who is measured: the router with a model, and what stands beside it in the table."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from signalbox.models import OFFLINE, Model, ModelRefused, ModelSettings
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.names import NO_AGENT
from signalbox_decide.evaluation.answers import UNROUTABLE, Answer
from signalbox_decide.evaluation.cases import Case
from signalbox_decide.learned import Learned
from signalbox_decide.router import INSTRUCTIONS, Router, Unroutable, message_text

Choose = Callable[[Case, Sequence[AgentDefinition]], Awaitable[Answer]]
CONTRACT_ALONE: Final = "contract alone"
LINEAR: Final = "linear"


def by_model(name: str, instructions: str = INSTRUCTIONS) -> Choose:
    """Return the production router with the model ``name`` of the settings ``LLM_…``.

    Raises:
        ConfigurationError: when that model can't be used.
    """
    return by_router(Router(Model(name, ModelSettings()), instructions))


def by_offline() -> Choose:
    """Return the production router with the offline stand-in."""
    return by_model(OFFLINE)


def by_router(router: Router) -> Choose:
    """Return ``router`` as one that is measured; what it can't route is an answer, and a wrong one."""

    async def choose(case: Case, candidates: Sequence[AgentDefinition]) -> Answer:
        started = time.perf_counter()
        try:
            choice = await router.choose_for(case.record_type, case.record, candidates, case.id)
        except Unroutable as error:
            waited = round((time.perf_counter() - started) * 1000)
            return Answer(
                said=UNROUTABLE,
                reason=error.detail,
                calls=error.calls,
                latency_ms=waited,
                **_spent_on(error),
            )
        return Answer(
            said=choice.agent or NO_AGENT,
            reason=choice.reason,
            calls=choice.calls,
            input_tokens=choice.input_tokens,
            output_tokens=choice.output_tokens,
            latency_ms=choice.latency_ms,
        )

    return choose


def by_contract() -> Choose:
    """Return who takes the first candidate: type and condition alone, in the order of the ids."""

    async def choose(_: Case, candidates: Sequence[AgentDefinition]) -> Answer:
        return Answer(said=candidates[0].id, reason="the first candidate by id")

    return choose


def by_learned(learned: Learned) -> Choose:
    """Return a learned linear router."""

    async def choose(case: Case, candidates: Sequence[AgentDefinition]) -> Answer:
        started = time.perf_counter()
        said, confidence = learned.choose(message_text(case.record_type, case.record), candidates)
        waited = round((time.perf_counter() - started) * 1000)
        return Answer(
            said=said, reason="the most probable by its words", confidence=confidence, latency_ms=waited
        )

    return choose


def _spent_on(error: Unroutable) -> dict[str, int]:
    match error.__cause__:
        case ModelRefused() as refused:
            return {"input_tokens": refused.input_tokens, "output_tokens": refused.output_tokens}
        case _:
            return {}
