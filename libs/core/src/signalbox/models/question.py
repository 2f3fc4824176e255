"""What a model is asked for: a type, as the JSON schema of one object, and the reading of its answer."""

from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.tools import ToolDefinition
from pydantic_core import from_json

from signalbox.models.forms import Form
from signalbox.models.loose_json import without_thoughts
from signalbox.models.reading import Shape, answer_in, unwrapped

T = TypeVar("T")

ANSWER: Final = "answer"
"""The name of the schema, and of the tool whose arguments are the answer."""
_WRAPPED: Final = "response"
_DETAIL_LIMIT: Final = 500
_NO_ANSWER: Final = "there is no JSON object with the fields that are asked for"
_LONGEST: Final = 256 * 1024
"""In characters: no message of ours may be longer, so no answer that is longer is of use."""
_TOO_LONG: Final = "the answer is too long"
_CUT: Final = "the answer was cut before its end: be shorter"


class Invalid(ValueError):
    """An answer is of no use; the text says why, and quotes nothing of it."""


class Formless(Invalid):
    """It does not even have the fields that were asked for."""


class Cut(Invalid):
    """It breaks off, so it says nothing of what the model can do."""


class Question(Generic[T]):
    """Asks for an ``output_type``; one that is no object travels as the one field of an object."""

    def __init__(self, output_type: type[T]) -> None:
        self._adapter: TypeAdapter[T] = TypeAdapter(output_type)
        schema = self._adapter.json_schema()
        self._is_wrapped = schema.get("type") != "object"
        self._schema = _wrapped(schema) if self._is_wrapped else schema
        self._shape = Shape.of(self._schema)
        self.parameters = {form: self._asked_in(form) for form in Form}
        """The parameters of a request in each form."""

    def answer_of(self, said: Any) -> dict[str, Any]:
        """Return ``said``, a value of the type or a mapping of its fields, as the object that travels."""
        value = TypeAdapter(Any).dump_python(said, mode="json", by_alias=True)
        return {_WRAPPED: value} if self._is_wrapped else value

    def read(self, response: ModelResponse, *, may_be_cut: bool) -> T:
        """Return the answer in ``response``; with ``may_be_cut``, also one whose last text breaks off.

        Raises:
            Invalid: there is none, or it is not of the type.
        """
        if len(words_of(response)) > _LONGEST:
            raise Invalid(_TOO_LONG)
        was_cut = response.finish_reason == "length"
        found = _found(response, self._shape, partly=was_cut and may_be_cut)
        if found is None:
            raise Cut(_CUT) if was_cut else Formless(_NO_ANSWER)
        try:
            return self._adapter.validate_python(found[_WRAPPED] if self._is_wrapped else found, strict=False)
        except ValidationError as error:
            raise Invalid(_faults_of(error)) from error

    def _asked_in(self, form: Form) -> ModelRequestParameters:
        schema = OutputObjectDefinition(json_schema=self._schema, name=ANSWER)
        match form:
            case Form.JSON_SCHEMA:
                return ModelRequestParameters(output_mode="native", output_object=schema)
            case Form.PROMPTED:
                return ModelRequestParameters(output_mode="prompted", output_object=schema)
            case Form.TOOL:
                tool = ToolDefinition(
                    name=ANSWER,
                    parameters_json_schema=self._schema,
                    description="Give the answer.",
                    kind="output",
                )
                return ModelRequestParameters(
                    output_mode="tool", output_tools=[tool], allow_text_output=False
                )


@lru_cache(maxsize=256)
def question_of(output_type: Any) -> Question[Any]:
    """Return the question for a type; building its schemas is dear, so it is made once."""
    return Question(output_type)


def words_of(response: ModelResponse) -> str:
    """Return what a response says, as text: its words, or the arguments of its calls."""
    return "\n".join(
        part.content if isinstance(part, TextPart) else part.args_as_json_str()
        for part in response.parts
        if isinstance(part, TextPart | ToolCallPart)
    )


def _found(response: ModelResponse, shape: Shape, *, partly: bool) -> dict[str, Any] | None:
    """Return the object that is the answer: a call's arguments come before text."""
    calls = [part.args for part in response.parts if isinstance(part, ToolCallPart)]
    text = without_thoughts("".join(part.content for part in response.parts if isinstance(part, TextPart)))
    for said in (*calls, text):
        if isinstance(said, dict):
            if (answer := unwrapped(said, shape)) is not None:
                return answer
        elif said and (answer := answer_in(said, shape) or (_begun(said, shape) if partly else None)):
            return answer
    return None


def _begun(text: str, shape: Shape) -> dict[str, Any] | None:
    """Return the answer that ``text`` breaks off in; its last field may be short of its end."""
    try:
        begun = from_json(text[text.find("{") :], allow_partial="trailing-strings")
    except ValueError:
        return None
    if not isinstance(begun, dict) or not begun:
        return None
    return {**dict.fromkeys(shape.required - begun.keys(), ""), **begun}


def _wrapped(schema: dict[str, Any]) -> dict[str, Any]:
    definitions = schema.pop("$defs", None)
    whole: dict[str, Any] = {"type": "object", "properties": {_WRAPPED: schema}, "required": [_WRAPPED]}
    return {**whole, "$defs": definitions} if definitions else whole


def _faults_of(error: ValidationError) -> str:
    # Without the values: the text becomes a problem's detail and a dead letter's header, and an answer may
    # quote the person whom it is about.
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults)[
        :_DETAIL_LIMIT
    ]
