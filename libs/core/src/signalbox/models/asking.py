"""Asking a model until there is a valid answer: the form, the bounds and the corrections."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, Protocol, TypeVar

from signalbox.models.calls import Account
from signalbox.models.faults import InvalidAnswer, UnsupportedForm
from signalbox.models.forms import Form, Forms, is_about_the_form
from signalbox.models.limits import RequestLimits, guessed_tokens
from signalbox.models.offline import stand_in_says
from signalbox.models.question import Cut, Formless, Invalid, Question
from signalbox.models.said import Said
from signalbox.models.unanswerable import Unanswerable
from signalbox.protocol.errors import NotAnAnswer

_SHOWN: Final = 1000
"""How much of an answer that was not valid the model sees again, in characters."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    """One request: what is asked, in which form, and its bounds; its answer may take ``seconds``."""

    question: Question[Any]
    form: Form
    instructions: str
    words: str
    seconds: float
    max_tokens: int
    temperature: float | None


class Client(Protocol):
    """Sends requests to one model: :class:`signalbox.models.provided.Provided`."""

    async def ask(self, request: Request) -> Said:
        """Send a request, and wait for its answer.

        Raises:
            NotAnAnswer: what came is no answer, or none came in time.
            Unanswerable: the server can't take this request, now or later.
            UnsupportedForm: it can't answer in ``form``.
            Unavailable: it can't be reached now, or an operator must mend something.
        """


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
    client: Client | None
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
            said = await self._said(words)
            try:
                return self._read(said)
            except Invalid as error:
                if attempt == self.bounds.attempts:
                    raise InvalidAnswer(str(error)) from error
                words = _corrected(prompt, said, str(error))
        raise AssertionError("there is at least one attempt")

    def _read(self, said: Said) -> T:
        self.violated = False
        output = self.question.read(said, may_be_cut=self.bounds.may_be_cut)
        problem = self.check(output)
        self.violated = problem is not None
        if problem is not None:
            raise Invalid(problem)
        return output

    async def _said(self, words: str) -> Said:
        if self.client is None:
            self.account.sending()
            answer = self.question.answer_of(self.stand_in())
            said = stand_in_says(answer, f"{self.instructions} {words}")
            self.account.answered(said)
            return said
        while True:
            form = self.forms.present
            try:
                said = await self._sent(self.client, words, form)
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
                self._learn_from(said, form)
                return said

    async def _sent(self, client: Client, words: str, form: Form) -> Said:
        seconds = min(self.bounds.timeout_s, self.bounds.deadline_s - self._spent_s)
        if seconds <= 0:
            raise NotAnAnswer(
                "model", f"{self.account.model}: no valid answer in {self.bounds.deadline_s:g} s"
            )
        request = Request(
            self.question,
            form,
            self.instructions,
            words,
            seconds,
            self.bounds.max_tokens,
            self.bounds.temperature,
        )
        asked = f"{self.instructions}{words}"
        async with self.limits.room_for(asked, self.bounds.max_tokens):
            self.account.sending()
            began = time.monotonic()
            try:
                said = await client.ask(request)
            finally:
                self._spent_s += time.monotonic() - began
        if not (said.input_tokens or said.output_tokens):  # a budget must not be blind to this server
            said = replace(said, input_tokens=guessed_tokens(asked), output_tokens=guessed_tokens(said.text))
        self.account.answered(said)
        if said.was_filtered:
            raise Unanswerable("a content filter stopped it")
        if not said.text.strip() and not said.was_cut:
            raise NotAnAnswer("model", f"{self.account.model}: it has neither text nor a tool call")
        return said

    def _learn_from(self, said: Said, form: Form) -> None:
        """Conclude from an answer whether the server can do ``form``."""
        if self.forms.found is not None:
            return
        try:
            self.question.read(said, may_be_cut=False)
        except Cut:
            return
        except Formless as error:
            self.forms.fails(form, str(error))
            return
        except Invalid:
            pass  # it has the form, and a wrong value
        self.forms.works(form)


def _corrected(prompt: str, said: Said, why: str) -> str:
    answer = json.dumps(said.text[:_SHOWN], ensure_ascii=False)
    return f"{prompt}\n\nYou answered:\n{answer}\n\nThat can't be taken: {why}\nAnswer again."
