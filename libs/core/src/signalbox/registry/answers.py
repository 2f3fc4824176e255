"""What a registry's answer must look like before anything follows from it: one judgement for all clients.

Between us and the registry stand proxies, gateways and login pages, and they speak HTTP, too. So a status
alone says nothing: a 404 means "unknown" only with JSON and one of the protocol's own codes, and a 200 means
"here it is" only when what is there has the shape that was asked for. All else is a bad moment.

Source: Confluent *Schema Registry API Reference*; `docs/registries.md` for what others answer.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn, TypeVar

import httpx2

from signalbox.protocol.errors import NotAnAnswer
from signalbox.protocol.names import SchemaId, Subject
from signalbox.registry.port import SchemaVersion

T = TypeVar("T")

_UNKNOWN: Final = frozenset({40401, 40402, 40403})
"""No such subject, version or schema."""
_NOT_FOUND: Final = 404
_AVRO: Final = "AVRO"
_OTHER_KINDS: Final = frozenset({"PROTOBUF", "JSON"})
_PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
_SHOWN: Final = 120
_LARGEST_ID: Final = 2**31 - 1


def may_be_given(schema_id: SchemaId) -> bool:
    """Tell whether a registry could have given this id: it is a positive, signed number of four bytes.

    About others a registry need not say "unknown": its web framework finds that there is no such page.
    """
    return 0 < schema_id <= _LARGEST_ID


def is_json(answer: httpx2.Response) -> bool:
    """Tell whether it says that it is JSON: ``application/json``, or a type that ends in ``+json``."""
    kind = str(answer.headers.get("content-type", "")).partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def error_code(answer: httpx2.Response) -> int | None:
    """Return the protocol's code of a refusal; None when it has none, so that nothing follows from it."""
    body = _body(answer)
    code = body.get("error_code") if isinstance(body, dict) else None
    return code if type(code) is int and not answer.is_success else None


def is_unknown(answer: httpx2.Response) -> bool:
    """Tell whether the registry itself says that it knows no such subject, version or schema."""
    return answer.status_code == _NOT_FOUND and error_code(answer) in _UNKNOWN


def understood(answer: httpx2.Response, shape: Callable[[Any], T]) -> T:
    """Return what a successful answer says; ``shape`` raises ValueError for what it must not look like.

    Raises:
        NotAnAnswer: it is no answer of the registry.
    """
    if answer.status_code != httpx2.codes.OK or not is_json(answer):
        raise not_an_answer(answer)
    try:
        return shape(json.loads(answer.content))
    except (ValueError, RecursionError) as error:
        raise not_an_answer(answer, f": {error}") from error


def not_an_answer(answer: httpx2.Response, why: str = "") -> NotAnAnswer:
    """Say what came instead of an answer, in a few words and without its bytes."""
    request, kind = answer.request, answer.headers.get("content-type", "no content type")[:_SHOWN]
    asked = f"{request.method} {request.url.copy_with(query=None)}"
    what = f"{answer.status_code} ({kind}), which is no answer of a schema registry{why[:_SHOWN]}"
    return NotAnAnswer("registry", f"{asked} answered {what}; look at SCHEMA_REGISTRY_URL if this lasts")


def schema_of_id(schema_id: SchemaId) -> Callable[[Any], str]:
    """Make the shape of ``GET /schemas/ids/{id}``: the text; of a schema that is not Avro, with its kind."""

    def shape(said: Any) -> str:
        fields = _object(said)
        if fields.get("id", schema_id) != schema_id:
            _wrong(f"it is about schema id {fields['id']!r}")
        return _schema_text(fields)

    return shape


def usages(said: Any) -> frozenset[tuple[Subject, int]]:
    """Be the shape of ``GET /schemas/ids/{id}/versions``: subjects and versions, at least one."""
    found = frozenset(
        (Subject(_text(_object(use), "subject")), _positive(_object(use).get("version"), "version"))
        for use in _list(said)
    )
    return found or _wrong("a schema that is known is used nowhere")


def version_numbers(said: Any) -> list[int]:
    """Be the shape of ``GET /subjects/{subject}/versions``: numbers in ascending order, at least one.

    A subject that is there has versions, and one that is not is a 40401: an empty list says neither.
    """
    numbers = sorted({_positive(number, "version") for number in _list(said)})
    return numbers or _wrong("a subject without versions is a 404 with 40401, not an empty list")


def version_of(subject: Subject, number: int | None = None) -> Callable[[Any], SchemaVersion]:
    """Make the shape of one version of ``subject``, of version ``number`` if it is known."""

    def shape(said: Any) -> SchemaVersion:
        fields = _object(said)
        version = _positive(fields.get("version"), "version")
        if fields.get("subject") != subject or version != (number or version):
            _wrong(f"it is about version {version} of {fields.get('subject')!r:.60}")
        return SchemaVersion(subject, version, schema_id(fields), _schema_text(fields))

    return shape


def schema_id(said: Any) -> SchemaId:
    """Be the shape of what a registration answers: an object with the ``id``."""
    return SchemaId(_positive(_object(said).get("id"), "id"))


def field(name: str) -> Callable[[Any], str]:
    """Make the shape of an object with the text ``name``."""
    return lambda said: _text(_object(said), name)


def anything(said: Any) -> Any:
    """Be the shape of answers of which only the success counts."""
    return said


def _schema_text(fields: dict[str, Any]) -> str:
    kind, text = fields.get("schemaType") or _AVRO, _text(fields, "schema")
    _list(fields.get("references") or [])
    if kind in _OTHER_KINDS:
        # A JSON Schema may look like Avro; with its kind before it, no one takes it for that.
        return f"{kind}: {text}"
    if kind != _AVRO:
        _wrong(f"schemaType is {kind!r:.40}")
    if text not in _PRIMITIVES and not _is_schema(text):
        _wrong("the schema's text is no Avro schema")
    return text


def _is_schema(text: str) -> bool:
    """Tell whether a registry could have taken it; whether we take it is judged elsewhere."""
    try:
        said = json.loads(text)
    except RecursionError:
        return True  # it nests deeper than Python reads, which the gate has a verdict for
    except ValueError:
        return False
    match said:
        case str():
            return said in _PRIMITIVES
        case list() | {"type": _}:
            return True
        case _:
            return False


def _body(answer: httpx2.Response) -> Any:
    try:
        return json.loads(answer.content) if is_json(answer) else None
    except (ValueError, RecursionError):
        return None


def _object(said: Any) -> dict[str, Any]:
    return said if isinstance(said, dict) else _wrong("it is no object")


def _list(said: Any) -> Iterable[Any]:
    return said if isinstance(said, list) else _wrong("it is no list")


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) and value else _wrong(f"{name} is no text")


def _positive(value: Any, name: str) -> int:
    # True is an int to Python, and 1.0 equals 1.
    return value if type(value) is int and 0 < value <= _LARGEST_ID else _wrong(f"{name} is no number")


def _wrong(why: str) -> NoReturn:
    raise ValueError(why)
