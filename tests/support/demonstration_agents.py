"""Small agents for the in-memory Signalbox: ``demo.Asked`` in, ``demo.Answered`` out."""

import json
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from signalbox.models import Completion, Model, ModelRefused, ModelSettings
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.names import NO_AGENT
from signalbox_agent import Agent, Bound, Handler, Message, Refuse, Work, bound


class Asked(BaseModel):
    text: str = "What is it?"


class Answered(BaseModel):
    text: str = "It is."


def text_contract(record_type: str) -> str:
    return json.dumps({"type": "record", "name": record_type, "fields": [{"name": "text", "type": "string"}]})


ASKED = bound(Asked, text_contract("demo.Asked"))
ANSWERED = bound(Answered, text_contract("demo.Answered"))


async def answers(message: Message[Any], _: Work) -> Sequence[BaseModel]:
    return [Answered(text=f"about {message.record.text}")]


async def refuses(_: Message[Any], __: Work) -> Sequence[BaseModel]:
    raise Refuse("not mine")


def agent(
    name: str = "alpha",
    handle: Handler = answers,
    *,
    takes: Bound = ASKED,
    gives: Bound = ANSWERED,
    when: str | None = None,
    terminal: bool = True,
) -> Agent:
    """Make an agent; what it gives ends its workflow, unless told otherwise."""
    definition = AgentDefinition.model_validate(
        {
            "id": name,
            "name": name,
            "description": "Answers what it is asked.",
            "input": [{"record_type": takes.record_type, "when": when}],
            "output": [{"record_type": gives.record_type, "terminal": terminal}],
        }
    )
    return Agent(definition, takes=[takes], gives=[gives], handle=handle)


class OneModel(Model):
    """Stands for the paid model: it answers as the offline one, unless it ``refuses`` or ``chooses_none``."""

    def __init__(self, *, refuses: bool = False, chooses_none: bool = False) -> None:
        super().__init__("offline", ModelSettings())
        self.refuses, self.chooses_none = refuses, chooses_none

    async def complete(self, **asked: Any) -> Completion[Any]:
        """Answer what :class:`signalbox_decide.router.Router` asks."""
        if self.refuses:
            raise ModelRefused("it names no candidate", calls=3, input_tokens=9, output_tokens=9)
        if self.chooses_none:
            return Completion(asked["output_type"](agent=NO_AGENT, reason="It is over."), "one", 1, 9, 9)
        return await super().complete(**asked)
