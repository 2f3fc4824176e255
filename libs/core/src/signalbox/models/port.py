"""The model port: ask, validate, retry; one code path for the offline stand-in and every provider."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

from pydantic_ai import Agent, ModelRetry, RunContext
from pydantic_ai.models import Model as ForeignModel

from signalbox.models.calls import CallLog, RecordedModel
from signalbox.models.faults import InvalidAnswer, ModelRefused, model_errors, request_errors
from signalbox.models.offline import offline_model
from signalbox.models.settings import OFFLINE, ModelSettings, Role
from signalbox.models.unanswerable import Unanswerable
from signalbox.process.own_failures import OwnFailures
from signalbox.protocol.errors import NotAnAnswer

_CUT_TO: Final = 4
_SHORTEST: Final = 400
"""In characters: with less of a prompt, an answer would be about nothing."""

T = TypeVar("T")
StandIn = Callable[[], T | Mapping[str, Any]]
Check = Callable[[T], str | None]


@dataclass(frozen=True, slots=True)
class Completion(Generic[T]):
    """A valid answer and what it cost; ``model`` is ``offline`` or the provider's name for it."""

    output: T
    model: str
    calls: int
    input_tokens: int
    output_tokens: int

    @property
    def tokens(self) -> int:
        """Return input and output tokens together."""
        return self.input_tokens + self.output_tokens


class Model:
    """A model that gives typed answers. Make one per process with :func:`model_for`."""

    def __init__(self, name: str, settings: ModelSettings) -> None:
        """Prepare the client; nothing is sent.

        Raises:
            ConfigurationError: when ``name`` can't be used.
        """
        self.name = name
        self._settings = settings
        self._log = CallLog(settings.call_log)
        self._own_failures = OwnFailures()
        self._provided = None if name == OFFLINE else _provided(name, settings)

    async def complete(
        self,
        *,
        task: str,
        instructions: str,
        prompt: str,
        output_type: type[T],
        stand_in: StandIn[T],
        message_id: str,
        check: Check[T] | None = None,
        shorter: str | None = None,
    ) -> Completion[T]:
        """Ask the model for an ``output_type``; an invalid answer goes back to it, with what is wrong.

        ``task`` names the kind of question in logs and metrics. ``stand_in`` gives what the offline model
        answers. ``check`` returns what is wrong with an answer of the right type, or None; the model is
        told that text and tries again. ``shorter`` is asked when the model can't take ``prompt``; the
        default is its beginning.

        Raises:
            Unavailable: the model can't be reached now, or an operator must mend the request's settings.
            ModelRefused: its answers stayed invalid after the retries; or it can't answer this message,
                though it answers others.
        """
        model = RecordedModel(
            self._client(stand_in),
            self._log,
            name=self.name,
            task=task,
            message_id=message_id,
            timeout_s=self._settings.timeout_s,
            errors=request_errors if self._provided else lambda _: nullcontext(),
        )
        checked = _Checked(check)
        kind: Any = output_type
        agent = _asking_for(kind, instructions, self._settings.retries)

        async def ask(words: str) -> Any:
            with model_errors(self.name):
                settings = self._request_settings()
                return (await agent.run(words, model=model, deps=checked, model_settings=settings)).output

        def refused(detail: str) -> ModelRefused:
            return ModelRefused(detail, violated_check=checked.violated, **vars(model.spent))

        try:
            output = await _asked_shorter(ask, prompt, shorter)
        except InvalidAnswer as error:
            self._own_failures.succeeded(message_id, task)
            raise refused(error.detail) from error.__cause__
        except Unanswerable as error:
            raise refused(str(error)) from error
        except NotAnAnswer as error:
            if not self._own_failures.failed(message_id, task):
                raise
            raise refused(f"it answers others, but never this message: {error.detail}") from error
        self._own_failures.succeeded(message_id, task)
        return Completion(output=output, model=self.name, **vars(model.spent))

    def _client(self, stand_in: StandIn[Any]) -> ForeignModel:
        return self._provided or offline_model(stand_in)

    def _request_settings(self) -> Any:
        # Retries of a request are the caller's, with backoff and in sight; the client's own would hide them.
        return {"timeout": self._settings.timeout_s, "max_retries": 0} if self._provided else {}


async def _asked_shorter(ask: Callable[[str], Awaitable[Any]], prompt: str, shorter: str | None) -> Any:
    """Ask with ``prompt``, and once more with less of it when the model can't take that."""
    try:
        return await ask(prompt)
    except Unanswerable:
        less = shorter or prompt[: max(len(prompt) // _CUT_TO, _SHORTEST)]
        if len(less) >= len(prompt):
            raise
        return await ask(less)


def _provided(name: str, settings: ModelSettings) -> ForeignModel:
    # Imported here: a provider's package takes half a second to load, and offline none is needed.
    from signalbox.models.providers import provider_model

    return provider_model(name, settings)


@lru_cache(maxsize=256)
def _asking_for(output_type: Any, instructions: str, retries: int) -> "Agent[_Checked[Any], Any]":
    """Make the agent that asks for an ``output_type``; building its schemas is dear, so it is made once.

    It holds nothing of a call: model and check are passed with each, so many may share it at a time.
    """
    agent = Agent(
        output_type=output_type, instructions=instructions, retries=retries, deps_type=_Checked[Any]
    )

    @agent.output_validator
    def checked(context: RunContext[_Checked[Any]], output: Any) -> Any:
        return context.deps.validate(output)

    return agent


class _Checked(Generic[T]):
    """The caller's check as an output validator that remembers its last verdict."""

    def __init__(self, check: Check[T] | None) -> None:
        self._check = check
        self.violated = False

    def validate(self, output: T) -> T:
        problem = self._check(output) if self._check else None
        self.violated = problem is not None
        if problem is not None:
            raise ModelRetry(problem)
        return output


def model_for(role: Role) -> Model:
    """Make the model that the environment names for ``role``: ``router`` or ``agent``.

    Raises:
        ConfigurationError: when that model can't be used.
    """
    settings = ModelSettings()
    return Model(settings.name_for(role), settings)
