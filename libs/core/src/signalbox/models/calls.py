"""Every request to a model is recorded here, at the port: offline and real ones alike."""

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from prometheus_client import Counter
from pydantic_ai.messages import ModelMessage, ModelResponse, ModelResponsePart, TextPart, ToolCallPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

_CALLS = Counter(
    "signalbox_model_calls_total", "Requests sent to a model, retries included", ["model", "task"]
)
_TOKENS = Counter("signalbox_model_tokens_total", "Tokens of model requests", ["model", "task", "direction"])

_LONGEST_ANSWER: Final = 256 * 1024
"""In characters: no message of ours may be longer, so no answer that is longer is of use."""
_KEPT: Final = 1000


Errors = Callable[[str], AbstractContextManager[None]]
"""Converts what a request to the model of this name raises."""


class CallLog:
    """A file with one JSON line a request: ``time``, ``task``, ``message_id``, ``model``.

    A line is one ``write`` in append mode, so several processes can share the file.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)

    def append(self, *, task: str, message_id: str, model: str) -> None:
        """Write the line of a request that is about to be sent."""
        if self._path is None:
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "task": task, "message_id": message_id, "model": model})
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


@dataclass
class Spent:
    """What a completion cost so far."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


class RecordedModel(WrapperModel):
    """Records each request to ``wrapped``, bounds its time in seconds, and adds up what it cost."""

    def __init__(
        self,
        wrapped: Model,
        log: CallLog,
        *,
        name: str,
        task: str,
        message_id: str,
        timeout_s: float,
        errors: Errors,
    ) -> None:
        super().__init__(wrapped)
        self._errors = errors
        self.spent = Spent()
        self._log = log
        self._name = name
        self._task = task
        self._message_id = message_id
        self._timeout_s = timeout_s

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Record, then send: a request that fails or hangs was one, too."""
        self.spent.calls += 1
        _CALLS.labels(self._name, self._task).inc()
        self._log.append(task=self._task, message_id=self._message_id, model=self._name)
        # The client's own time-out is per read; a server that drips bytes would never meet it.
        with self._errors(self._name):
            async with asyncio.timeout(self._timeout_s):
                response = await self.wrapped.request(messages, model_settings, model_request_parameters)
        self._count(response)
        return replace(response, parts=[_bounded(part) for part in response.parts])

    def _count(self, response: ModelResponse) -> None:
        self.spent.input_tokens += response.usage.input_tokens
        self.spent.output_tokens += response.usage.output_tokens
        _TOKENS.labels(self._name, self._task, "input").inc(response.usage.input_tokens)
        _TOKENS.labels(self._name, self._task, "output").inc(response.usage.output_tokens)


def _bounded(part: ModelResponsePart) -> ModelResponsePart:
    """Return ``part``, cut when it is too long: the retry sends it back, and it is kept until then."""
    if isinstance(part, TextPart) and len(part.content) > _LONGEST_ANSWER:
        return replace(part, content=part.content[:_KEPT])
    if isinstance(part, ToolCallPart) and isinstance(part.args, str) and len(part.args) > _LONGEST_ANSWER:
        return replace(part, args=part.args[:_KEPT])
    return part
