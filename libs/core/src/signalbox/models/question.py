"""What a model is asked for: a type, as the JSON schema of one object, and the reading of its answer."""

from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json, to_jsonable_python

from signalbox.models.loose_json import without_thoughts
from signalbox.models.reading import Shape, answer_in, unwrapped
from signalbox.models.said import Said

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
        self.schema = _wrapped(schema) if self._is_wrapped else schema
        """The JSON schema of the object that is asked for."""
        self._shape = Shape.of(self.schema)

    def answer_of(self, said: Any) -> dict[str, Any]:
        """Return ``said``, a value of the type or a mapping of its fields, as the object that travels."""
        value = to_jsonable_python(said, by_alias=True)
        return {_WRAPPED: value} if self._is_wrapped else value

    def read(self, said: Said, *, may_be_cut: bool) -> T:
        """Return the answer in ``said``; with ``may_be_cut``, also one whose last text breaks off.

        Raises:
            Invalid: there is none, or it is not of the type.
        """
        if len(said.text) > _LONGEST:
            raise Invalid(_TOO_LONG)
        found = _found(said, self._shape, partly=said.was_cut and may_be_cut)
        if found is None:
            raise Cut(_CUT) if said.was_cut else Formless(_NO_ANSWER)
        try:
            return self._adapter.validate_python(found[_WRAPPED] if self._is_wrapped else found, strict=False)
        except ValidationError as error:
            raise Invalid(_faults_of(error)) from error


@lru_cache(maxsize=256)
def question_of(output_type: Any) -> Question[Any]:
    """Return the question for a type; building its schemas is dear, so it is made once."""
    return Question(output_type)


def _found(said: Said, shape: Shape, *, partly: bool) -> dict[str, Any] | None:
    """Return the object that is the answer: a call's arguments come before words."""
    for part in (*said.calls, without_thoughts(said.words)):
        if isinstance(part, dict):
            if (answer := unwrapped(part, shape)) is not None:
                return answer
        elif part and (answer := answer_in(part, shape) or (_begun(part, shape) if partly else None)):
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
    # quote a person.
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults)[
        :_DETAIL_LIMIT
    ]
