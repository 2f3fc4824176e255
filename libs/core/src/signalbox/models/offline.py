"""The offline stand-in: it answers with what the caller worked out by rules. It is not an LLM.

Its answer goes through the same validation, checks and retries as that of a real model.
"""

from typing import Any

from pydantic_ai.messages import ModelResponse, ToolCallPart
from pydantic_ai.usage import RequestUsage

from signalbox.models.question import ANSWER


def stand_in_response(answer: dict[str, Any], asked: str) -> ModelResponse:
    """Make the response that gives ``answer`` to what was ``asked``; a word counts as a token."""
    usage = RequestUsage(input_tokens=len(asked.split()), output_tokens=len(str(answer).split()))
    return ModelResponse(parts=[ToolCallPart(ANSWER, answer)], usage=usage)
