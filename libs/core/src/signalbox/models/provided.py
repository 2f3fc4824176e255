"""One request to a provider's model, through ``pydantic_ai``; its errors become ours."""

import asyncio
from functools import lru_cache
from typing import Final

from pydantic_ai.direct import model_request
from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, ToolCallPart, UserPromptPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from signalbox.models.asking import Request
from signalbox.models.foreign_faults import request_errors
from signalbox.models.forms import Form
from signalbox.models.question import ANSWER, Question
from signalbox.models.said import Said

_FILTERED: Final = "content_filter"
_CUT: Final = "length"


class Provided:
    """A provider's ``model``, called ``name`` in what is said of its failures."""

    def __init__(self, name: str, model: Model) -> None:
        self._name = name
        self._model = model

    async def ask(self, request: Request) -> Said:
        """Send a request, and wait for its answer.

        Raises:
            NotAnAnswer, Unanswerable, UnsupportedForm, Unavailable: see :func:`request_errors`.
        """
        # The client's own time-out is per read; a server that drips bytes would never meet it. Retries of a
        # request are the caller's, with backoff and in sight; the client's own would hide them.
        settings = ModelSettings(timeout=request.seconds, max_tokens=request.max_tokens, max_retries=0)
        if request.temperature is not None:
            settings["temperature"] = request.temperature
        message = ModelRequest(parts=[UserPromptPart(request.words)], instructions=request.instructions)
        with request_errors(self._name):
            async with asyncio.timeout(request.seconds):
                response = await model_request(
                    self._model,
                    [message],
                    model_settings=settings,
                    model_request_parameters=_parameters(request.question, request.form),
                )
        return _said(response)


@lru_cache(maxsize=256)
def _parameters(question: Question[object], form: Form) -> ModelRequestParameters:
    schema = OutputObjectDefinition(json_schema=question.schema, name=ANSWER)
    match form:
        case Form.JSON_SCHEMA:
            return ModelRequestParameters(output_mode="native", output_object=schema)
        case Form.PROMPTED:
            return ModelRequestParameters(output_mode="prompted", output_object=schema)
        case Form.TOOL:
            tool = ToolDefinition(
                name=ANSWER,
                parameters_json_schema=question.schema,
                description="Give the answer.",
                kind="output",
            )
            return ModelRequestParameters(output_mode="tool", output_tools=[tool], allow_text_output=False)


def _said(response: ModelResponse) -> Said:
    calls = (part.args for part in response.parts if isinstance(part, ToolCallPart))
    return Said(
        words="".join(part.content for part in response.parts if isinstance(part, TextPart)),
        calls=tuple(call if isinstance(call, str) else dict(call) for call in calls if call is not None),
        was_cut=response.finish_reason == _CUT,
        was_filtered=response.finish_reason == _FILTERED,
        input_tokens=response.usage.input_tokens,
        output_tokens=response.usage.output_tokens,
    )
