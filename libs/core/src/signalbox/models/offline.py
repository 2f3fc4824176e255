"""The offline stand-in: it answers with what the caller worked out by rules. It is not an LLM.

It stands behind the same interface as a real model, so its answer goes through the same validation,
checks and retries.
"""

from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter
from pydantic_ai.messages import ModelMessage, ModelResponse, ToolCallPart
from pydantic_ai.models import Model
from pydantic_ai.models.function import AgentInfo, FunctionModel

from signalbox.models.settings import OFFLINE


def offline_model(stand_in: Callable[[], Any]) -> Model:
    """Make the model whose every answer is ``stand_in()``, as the arguments of the output tool.

    The token counts of its answers are estimates from the number of words.
    """

    async def answer(_: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        tool = info.output_tools[0]
        value = TypeAdapter(Any).dump_python(stand_in(), mode="json", by_alias=True)
        # A type that is no object travels as the one field of an object.
        wrapped = {tool.outer_typed_dict_key: value} if tool.outer_typed_dict_key else value
        return ModelResponse(parts=[ToolCallPart(tool.name, wrapped)])

    return FunctionModel(answer, model_name=OFFLINE)
