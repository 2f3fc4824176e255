"""In which form a model is asked for its answer, and what of it the server at hand can do."""

import re
from enum import StrEnum
from typing import Final

from signalbox.telemetry import logger

_log = logger(__name__)

_ABOUT_THE_FORM: Final = re.compile(
    r"response.?format|json.?(schema|object|mode)|structured|grammar|schema|\btools?\b|function|jinja|"
    r"output is not supported",
    re.IGNORECASE,
)
"""What a server that can't do a form says of it: OpenAI, Groq, DeepSeek, OpenRouter, vLLM, llama.cpp, TGI."""
_SHOWN: Final = 200
_STUMBLES: Final = 3


class Form(StrEnum):
    """How an answer is asked for, the best first.

    ``JSON_SCHEMA``: the server writes JSON of the schema (constrained by it, where it can do that).
    ``TOOL``: the answer is the arguments of a call. ``PROMPTED``: the schema stands in the instructions.
    """

    JSON_SCHEMA = "json_schema"
    TOOL = "tool"
    PROMPTED = "prompted"


class Forms:
    """The form to ask in: a fixed one, or the best that the server can do, as its first answers show."""

    def __init__(self, model: str, fixed: Form | None) -> None:
        self._model = model
        self._untried = list(Form)
        self._stumbled = 0
        self.found = fixed
        """The form that is known to work; None while none is."""

    @property
    def present(self) -> Form:
        """The form to ask in now."""
        return self.found or self._untried[0]

    def works(self, form: Form) -> None:
        """Remember that an answer came in ``form``."""
        if self.found is None:
            self.found = form
            _log.info("model_output_form", model=self._model, form=form.value)

    def fails(self, form: Form, why: str) -> bool:
        """Go on to the next form while none is known; False when all were tried: it begins again."""
        if self.found is not None:
            return self.found is not form
        if form is self._untried[0]:
            _log.info("model_output_form_fails", model=self._model, form=form.value, why=why[:_SHOWN])
            self._untried = self._untried[1:] or list(Form)
            self._stumbled = 0
        return form is not Form.PROMPTED

    def stumbles(self, form: Form, why: str) -> None:
        """Count what is no answer: some servers break over a form that they don't know, and say nothing."""
        self._stumbled += 1
        if self._stumbled >= _STUMBLES:
            self.fails(form, why)


def is_about_the_form(said: str) -> bool:
    """Tell whether a refusal says that the server can't answer in the form that it was asked for."""
    return _ABOUT_THE_FORM.search(said) is not None
