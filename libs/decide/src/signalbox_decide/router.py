"""The signaller: a model chooses among the agents that the interlocking left it. No Kafka in here."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, Field, create_model

from signalbox.gate import Accepted
from signalbox.models import ROUTE, Model, ModelRefused, prompt_version
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import NO_AGENT, AgentId
from signalbox.protocol.printable import printable
from signalbox.protocol.reasons import Reason
from signalbox_decide.offline import best_match

_MESSAGE_LIMIT: Final = 16_000
_LONGEST: Final = (12_000, 4000, 2000, 1000, 250, 60)
"""What a text in a record may have, in characters, one after the other until the whole is short enough."""
_A_TEXT_EACH: Final = 20
"""Of a list so many fewer items are shown than of a text characters."""
_REASON_LIMIT: Final = 1000

INSTRUCTIONS: Final = (files(__package__) / "prompts" / "route.md").read_text(encoding="utf-8").strip()


@dataclass(frozen=True, slots=True)
class Choice:
    """The model's decision: ``agent`` is None when it said that no agent should take the message.

    ``prompt_version`` says what it was told: :func:`signalbox.models.prompt_version`; empty without a model.
    """

    agent: AgentId | None
    reason: str
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    latency_ms: int
    prompt_version: str = ""
    cost: int = 0
    """In billionths of a US dollar; 0 where the model's price is not known."""

    @property
    def tokens(self) -> int:
        """Input and output tokens together."""
        return self.input_tokens + self.output_tokens


class Unroutable(Refusal):
    """The model named no candidate, or can't take the message; the rest says what asking it took."""

    def __init__(self, detail: str, calls: int, tokens: int = 0, cost: int = 0) -> None:
        super().__init__(Reason.UNROUTABLE, detail)
        self.calls = calls
        self.tokens = tokens
        self.cost = cost


class Router:
    """Asks the model which candidate takes a message next; ``instructions`` stand before each question."""

    def __init__(self, model: Model, instructions: str = INSTRUCTIONS) -> None:
        self._model = model
        self._instructions = instructions

    async def choose(self, message: Accepted, candidates: Sequence[AgentDefinition]) -> Choice:
        """Choose one of ``candidates``, at least one, for ``message``.

        Raises:
            Unavailable: the model can't be reached now.
            Unroutable: its answers stayed outside the candidates, or it can't take this message.
        """
        return await self.choose_for(message.record_type, message.datum, candidates, message.envelope.id)

    async def choose_for(
        self,
        record_type: str,
        datum: Mapping[str, Any],
        candidates: Sequence[AgentDefinition],
        message_id: str,
    ) -> Choice:
        """Choose for a record that is no message (any more); else as :meth:`choose`."""
        text = message_text(record_type, datum)
        started = time.perf_counter()
        agents = _agents_text(candidates)
        try:
            done = await self._model.complete(
                task=ROUTE,
                instructions=self._instructions,
                prompt=_prompt(text, agents),
                shorter=lambda: _prompt(message_text(record_type, datum, len(text) // 4), agents),
                output_type=_answer_type(tuple(agent.id for agent in candidates)),
                stand_in=lambda: best_match(text, candidates),
                message_id=message_id,
                temperature=0,
                may_be_cut=True,  # the agent comes first
            )
        except ModelRefused as error:
            tokens = error.input_tokens + error.output_tokens
            raise Unroutable(str(error), error.calls, tokens, error.cost) from error
        answer: Any = done.output
        return Choice(
            agent=None if answer.agent == NO_AGENT else AgentId(answer.agent),
            reason=printable(answer.reason),
            model=done.model,
            calls=done.calls,
            input_tokens=done.input_tokens,
            output_tokens=done.output_tokens,
            latency_ms=round((time.perf_counter() - started) * 1000),
            prompt_version=prompt_version(self._instructions),
            cost=done.cost,
        )


@lru_cache(maxsize=256)
def _answer_type(agents: tuple[AgentId, ...]) -> type[BaseModel]:
    # An enumeration made at run time: the schema itself forbids every other answer.
    choices = (*agents, NO_AGENT)
    choice: Any = Annotated[Literal[choices], BeforeValidator(lambda said: _meant(said, choices))]
    reason: Any = Annotated[str, BeforeValidator(_shortened)]
    return create_model(
        "Route",
        agent=(choice, Field(description="the id of the agent that takes the message next")),
        reason=(reason, Field(description="why, in one sentence", max_length=_REASON_LIMIT)),
    )


def _meant(said: Any, choices: Sequence[str]) -> Any:
    """Return the one of ``choices`` that is written in another way: in other case, in quotes, with blanks."""
    if said is None:
        return NO_AGENT
    if not isinstance(said, str) or said in choices:
        return said
    meant = [choice for choice in choices if _plain(choice) == _plain(said)]
    return meant[0] if len(meant) == 1 else said


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.strip(" \t\r\n\"'`*.,:;()[]{}<>")).casefold()


def _shortened(reason: Any) -> Any:
    return reason[:_REASON_LIMIT] if isinstance(reason, str) else reason


def _prompt(message: str, agents: str) -> str:
    return f"Agents:\n{agents}\n\nMessage:\n{message}"


def _agents_text(candidates: Sequence[AgentDefinition]) -> str:
    agents = [agent.model_dump(exclude={"endpoint"}, exclude_none=True) for agent in candidates]
    return json.dumps(agents, ensure_ascii=False, indent=1)


def message_text(record_type: str, datum: Mapping[str, Any], limit: int = _MESSAGE_LIMIT) -> str:
    """Return what a router sees of a message: its type and its record as JSON, of some ``limit`` characters.

    The longest texts and lists are shortened first, so that none hides the fields behind it.
    """
    text = _json(record_type, datum)
    for longest in _LONGEST:
        if len(text) <= limit:
            return text
        text = _json(record_type, _with_texts_of(datum, longest))
    return _cut(text, limit)


def _json(record_type: str, datum: Any) -> str:
    return json.dumps({"record_type": record_type, "record": datum}, ensure_ascii=False, default=str)


def _with_texts_of(value: Any, longest: int) -> Any:
    match value:
        case str():
            return _cut(value, longest)
        case Mapping():
            return {name: _with_texts_of(one, longest) for name, one in value.items()}
        case list():
            most = max(longest // _A_TEXT_EACH, 1)
            more = [f"… ({len(value) - most} more)"] if len(value) > most else []
            return [*(_with_texts_of(one, longest) for one in value[:most]), *more]
        case bytes():
            return _cut(str(value[:longest]), longest)
    return value


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[:limit] + "… (cut)"
