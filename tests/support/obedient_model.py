"""A model behind OpenAI's chat completions on loopback that does what its prompt says, and nothing else.

It stands for a paid model. It reads the instructions and the definitions, as the offline stand-in does not:

- ``Messages of the type sdr.LeadScored go to NONE.`` in the instructions is obeyed;
- an agent whose description begins with ``First choice.`` is chosen;
- else it chooses as the stand-in does, by the words of the definitions: what a running system decided
  with that is decided the same once more.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from fastapi import FastAPI, Request

from serving import served_in_a_thread
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
    app = FastAPI()

    @app.post("/v1/chat/completions")
    async def completions(request: Request) -> dict[str, Any]:
        said = {message["role"]: message["content"] for message in (await request.json())["messages"]}
        answer = {"agent": _choice(said["system"], said["user"]), "reason": "so it was told"}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "obedient",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": json.dumps(answer)},
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
        }

    with served_in_a_thread(app) as port:
        yield f"http://127.0.0.1:{port}/v1"


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
