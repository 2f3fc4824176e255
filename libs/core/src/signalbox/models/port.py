"""The model port: ask, validate, retry; one code path for the offline stand-in and every provider."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from signalbox.models.asking import Asking, Bounds, Client
from signalbox.models.calls import Account, CallLog, Spent
from signalbox.models.faults import InvalidAnswer, ModelRefused
from signalbox.models.forms import Form, Forms
from signalbox.models.limits import RequestLimits
from signalbox.models.prices import price_of
from signalbox.models.question import question_of
from signalbox.models.settings import OFFLINE, ModelSettings, Role
from signalbox.models.unanswerable import Unanswerable
from signalbox.process.own_failures import OwnFailures
from signalbox.protocol.errors import ConfigurationError, NotAnAnswer, Unavailable
from signalbox.telemetry import logger

_log = logger(__name__)
_AWAY_S: Final = 30.0
"""How long a model that is away is not asked, where another can be asked instead, in seconds."""
_CUT_TO: Final = 4
_PRICELESS: Final = (
    "nobody knows the price of {0}, and LLM_DAY_BUDGET_USD or LLM_WORKFLOW_BUDGET_USD is set:"
    " set LLM_PRICES as docs/models.md says"
)
_SHORTEST: Final = 400
"""In characters: with less of a prompt, an answer would be about nothing."""

T = TypeVar("T")
StandIn = Callable[[], T | Mapping[str, Any]]
Check = Callable[[T], str | None]


@dataclass(frozen=True, slots=True)
class Completion(Generic[T]):
    """A valid answer and what it took; ``model`` is ``offline`` or the provider's name for it.

    ``cost`` is in billionths of a US dollar; 0 where the model's price is not known.
    """

    output: T
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost: int = 0

    @property
    def tokens(self) -> int:
        """Return input and output tokens together."""
        return self.input_tokens + self.output_tokens


class Model:
    """A model that gives typed answers. Make one per process with :func:`model_for`."""

    def __init__(self, name: str, settings: ModelSettings, fallback: "Model | None" = None) -> None:
        """Prepare the client; nothing is sent. ``fallback`` is asked while this one is away.

        Raises:
            ConfigurationError: when ``name`` can't be used; or nobody knows its price, and a budget in money
                is set.
        """
        self._price = price_of(name, settings.prices)
        if self._price is None and settings.money_is_bounded:
            raise ConfigurationError(_PRICELESS.format(name))
        self._fallback = fallback
        self._away_until = 0.0
        self.name = name
        self._settings = settings
        self._log = CallLog(settings.call_log)
        self._own_failures = OwnFailures()
        self._client = None if name == OFFLINE else _provided(name, settings)
        self._limits = RequestLimits(settings.concurrency, settings.rpm, settings.tpm)
        self._forms = Forms(name, None if settings.output == "auto" else Form(settings.output))

    @property
    def form(self) -> str:
        """How answers are asked for, in a word for the operator."""
        if self._client is None:
            return "stand-in"
        return self._forms.found.value if self._forms.found else "not known yet"

    def told(self) -> str:
        """Say which model it is and how it is asked, for the operator."""
        instead = f"; while it is away, {self._fallback.told()}" if self._fallback else ""
        return f"{self.name} (LLM_OUTPUT: {self.form}){instead}"

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
        shorter: Callable[[], str] | None = None,
        temperature: float | None = None,
        may_be_cut: bool = False,
    ) -> Completion[T]:
        """Ask the model for an ``output_type``; an invalid answer goes back to it, with what is wrong.

        ``task`` names the kind of question in logs and metrics. ``stand_in`` gives what the offline model
        answers. ``check`` returns what is wrong with an answer of the right type, or None; the model is
        told that text and tries again. What ``shorter`` gives is asked when the model
        can't take ``prompt``; the default is its beginning. With ``may_be_cut`` an answer that breaks off
        counts as far as it goes.

        Raises:
            Unavailable: the model can't be reached now, or an operator must mend the request's settings.
            ModelRefused: its answers stayed invalid after the retries; or it can't answer this message,
                though it answers others.
        """
        asked = _Asked(
            task,
            instructions,
            prompt,
            output_type,
            stand_in,
            message_id,
            check,
            shorter,
            temperature,
            may_be_cut,
        )
        spent = Spent()
        if self._fallback is None:
            return await self._complete(asked, spent)
        if time.monotonic() >= self._away_until:
            try:
                return await self._complete(asked, spent)
            except Unavailable as error:
                self._away_until = time.monotonic() + _AWAY_S
                _log.warning("model_away", model=self.name, fallback=self._fallback.name, why=error.detail)
        return await self._fallback._complete(asked, spent)

    async def _complete(self, asked: "_Asked[T]", spent: Spent) -> Completion[T]:
        task, message_id = asked.task, asked.message_id
        asking = self._asking(asked, spent)

        def refused(detail: str) -> ModelRefused:
            return ModelRefused(detail, violated_check=asking.violated, **vars(spent))

        try:
            output = await _asked_shorter(asking.answer, asked.prompt, asked.shorter)
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
        return Completion(output=output, model=self.name, **vars(spent))

    def _asking(self, asked: "_Asked[T]", spent: Spent) -> Asking[T]:
        kind: Any = asked.output_type
        return Asking(
            question=question_of(kind),
            instructions=asked.instructions,
            stand_in=asked.stand_in,
            check=asked.check or (lambda _: None),
            bounds=Bounds(
                attempts=1 + self._settings.retries,
                timeout_s=self._settings.timeout_s,
                deadline_s=self._settings.deadline_s,
                max_tokens=self._settings.max_tokens_for(asked.task),
                temperature=asked.temperature,
                may_be_cut=asked.may_be_cut,
            ),
            account=Account(self._log, self.name, asked.task, asked.message_id, self._price, spent),
            forms=self._forms,
            limits=self._limits,
            client=self._client,
        )


@dataclass(frozen=True, slots=True)
class _Asked(Generic[T]):
    """What :meth:`Model.complete` was called with."""

    task: str
    instructions: str
    prompt: str
    output_type: type[T]
    stand_in: StandIn[T]
    message_id: str
    check: Check[T] | None
    shorter: Callable[[], str] | None
    temperature: float | None
    may_be_cut: bool


async def _asked_shorter(
    ask: Callable[[str], Awaitable[T]], prompt: str, shorter: Callable[[], str] | None
) -> T:
    """Ask with ``prompt``, and once more with less of it when the model can't take that."""
    try:
        return await ask(prompt)
    except Unanswerable:
        less = shorter() if shorter else prompt[: max(len(prompt) // _CUT_TO, _SHORTEST)]
        if len(less) >= len(prompt):
            raise
        return await ask(less)


def _provided(name: str, settings: ModelSettings) -> Client:
    # Imported here: the providers' packages take a second to load, and offline none is needed.
    from signalbox.models.provided import Provided
    from signalbox.models.providers import provider_model

    return Provided(name, provider_model(name, settings))


def model_for(role: Role, agent: str = "") -> Model:
    """Make the model that the environment names for ``role``: ``router``, or ``agent`` with the agent's id.

    Raises:
        ConfigurationError: when that model can't be used.
    """
    settings = ModelSettings()
    fallback = Model(settings.fallback, settings) if settings.fallback else None
    return Model(settings.name_for(role, agent), settings, fallback)
