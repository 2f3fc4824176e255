"""A model behind OpenAI's chat completions on loopback that does what its prompt says, and nothing else.

It stands for a paid model. It reads the instructions and the definitions, as the offline stand-in does not:

- ``Messages of the type sdr.LeadScored go to NONE.`` in the instructions is obeyed;
- an agent whose description begins with ``First choice.`` is chosen;
- else it chooses as the stand-in does, by the words of the definitions: what a running system decided
  with that is decided the same once more.
"""

import json
import re
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Final

from fastapi import Response

from provider_server import Asked, provider_serving
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox_decide.offline import best_match

NAME: Final = "openai:obedient"
FIRST_CHOICE: Final = "First choice."
_RULE: Final = re.compile(r"Messages of the type (\S+) go to (\S+)\.")


def rule(record_type: str, agent: str) -> str:
    """Write an instruction that the model obeys."""
    return f"Messages of the type {record_type} go to {agent}."


@contextmanager
def obedient_model() -> Iterator[str]:
    """Serve it until the block's end; gives what ``LLM_BASE_URL`` is then."""
    with provider_serving(_answered) as server:
        yield f"{server.url}/v1"


def _answered(asked: Asked) -> Response | Awaitable[Response]:
    choice = _choice(asked.wire.instructions_of(asked.body), asked.prompt)
    return asked.wire.well({"agent": choice, "reason": "so it was told"})(asked.body)


def _choice(instructions: str, prompt: str) -> str:
    agents, _, message = prompt.removeprefix("Agents:\n").partition("\n\nMessage:\n")
    candidates = [AgentDefinition.model_validate(agent) for agent in json.loads(agents)]
    for record_type, told in _RULE.findall(instructions):
        if message.startswith(f'{{"record_type": "{record_type}"'):
            return str(told)
    for agent in candidates:
        if agent.description.startswith(FIRST_CHOICE):
            return agent.id
    return str(best_match(message, candidates)["agent"])
