"""Asking a model until there is a valid answer: the form, the bounds and the corrections."""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from pydantic_ai.direct import model_request
from pydantic_ai.messages import ModelRequest, ModelResponse, UserPromptPart
from pydantic_ai.models import Model as ForeignModel
from pydantic_ai.settings import ModelSettings as RequestSettings

from signalbox.models.calls import Account
from signalbox.models.faults import InvalidAnswer, UnsupportedForm, request_errors
from signalbox.models.forms import Form, Forms, is_about_the_form
from signalbox.models.limits import RequestLimits
from signalbox.models.offline import stand_in_response
from signalbox.models.question import Cut, Formless, Invalid, Question, words_of
from signalbox.models.unanswerable import Unanswerable
from signalbox.protocol.errors import NotAnAnswer

_SHOWN: Final = 1000
"""How much of an answer that was not valid the model sees again, in characters."""
_FILTERED: Final = "content_filter"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one answer may take: attempts, tokens, and seconds of an attempt and of all of them together."""

    attempts: int
    timeout_s: float
    deadline_s: float
    max_tokens: int
    temperature: float | None
    may_be_cut: bool


@dataclass(slots=True)
class Asking(Generic[T]):
    """One question to one model: ``client`` with what it can do, or without one the stand-in."""

    question: Question[T]
    instructions: str
    stand_in: Callable[[], Any]
    check: Callable[[T], str | None]
    bounds: Bounds
    account: Account
    forms: Forms
    limits: RequestLimits
    client: ForeignModel | None
    violated: bool = False
    """True when the last answer had the right type and was turned down by ``check``."""
    _spent_s: float = 0.0
    """In requests; what was waited for others' is not counted."""

    async def answer(self, prompt: str) -> T:
        """Ask; an invalid answer goes back to the model, with what is wrong.

        Raises:
            InvalidAnswer: no answer was valid.
            Unanswerable: the model can't take this prompt.
            Unavailable: it can't be reached now, or there was no time left.
        """
        words = prompt
        for attempt in range(1, self.bounds.attempts + 1):
            response = await self._response(words)
            try:
                return self._read(response)
            except Invalid as error:
                if attempt == self.bounds.attempts:
                    raise InvalidAnswer(str(error)) from error
                words = _corrected(prompt, response, str(error))
        raise AssertionError("there is at least one attempt")

    def _read(self, response: ModelResponse) -> T:
        self.violated = False
        output = self.question.read(response, may_be_cut=self.bounds.may_be_cut)
        problem = self.check(output)
        self.violated = problem is not None
        if problem is not None:
            raise Invalid(problem)
        return output

    async def _response(self, words: str) -> ModelResponse:
        if self.client is None:
            self.account.sending()
            answer = self.question.answer_of(self.stand_in())
            response = stand_in_response(answer, f"{self.instructions} {words}")
            self.account.answered(response.usage)
            return response
        while True:
            form = self.forms.present
            try:
                response = await self._sent(self.client, words, form)
            except UnsupportedForm as error:
                if not self.forms.fails(form, error.detail):
                    raise
            except Unanswerable as error:
                if not (is_about_the_form(str(error)) and self.forms.fails(form, str(error))):
                    raise
            except NotAnAnswer as error:
                self.forms.stumbles(form, error.detail)
                raise
            else:
                self._learn_from(response, form)
                return response

    async def _sent(self, client: ForeignModel, words: str, form: Form) -> ModelResponse:
        seconds = min(self.bounds.timeout_s, self.bounds.deadline_s - self._spent_s)
        if seconds <= 0:
            raise NotAnAnswer(
                "model", f"{self.account.model}: no valid answer in {self.bounds.deadline_s:g} s"
            )
        # The client's own time-out is per read; a server that drips bytes would never meet it. Retries of a
        # request are the caller's, with backoff and in sight; the client's own would hide them.
        settings = RequestSettings(timeout=seconds, max_tokens=self.bounds.max_tokens, max_retries=0)
        if self.bounds.temperature is not None:
            settings["temperature"] = self.bounds.temperature
        request = ModelRequest(parts=[UserPromptPart(words)], instructions=self.instructions)
        asked = f"{self.instructions}{words}"
        async with self.limits.room_for(asked, self.bounds.max_tokens):
            self.account.sending()
            began = time.monotonic()
            try:
                with request_errors(self.account.model):
                    async with asyncio.timeout(seconds):
                        response = await model_request(
                            client,
                            [request],
                            model_settings=settings,
                            model_request_parameters=self.question.parameters[form],
                        )
            finally:
                self._spent_s += time.monotonic() - began
        self.account.answered(response.usage)
        if response.finish_reason == _FILTERED:
            raise Unanswerable("a content filter stopped it")
        if not words_of(response).strip() and response.finish_reason != "length":
            raise NotAnAnswer("model", f"{self.account.model}: it has neither text nor a tool call")
        return response

    def _learn_from(self, response: ModelResponse, form: Form) -> None:
        """Conclude from an answer whether the server can do ``form``."""
        if self.forms.found is not None:
            return
        try:
            self.question.read(response, may_be_cut=False)
        except Formless as error:
            self.forms.fails(form, str(error))
        except Cut:
            pass
        except Invalid:
            self.forms.works(form)
        else:
            self.forms.works(form)


def _corrected(prompt: str, response: ModelResponse, why: str) -> str:
    answer = json.dumps(words_of(response)[:_SHOWN], ensure_ascii=False)
    return f"{prompt}\n\nYou answered:\n{answer}\n\nThat can't be taken: {why}\nAnswer again."
