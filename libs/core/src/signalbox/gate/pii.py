"""Personal data: fields and records that a contract tags ``confluent:tags: ["PII"]`` are not shown."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol

from signalbox.avro import types
from signalbox.avro.schema import ParsedSchema
from signalbox.avro.types import Field, Node, RecordNode

TAGS_PROPERTY: Final = "confluent:tags"
PII: Final = "PII"
REDACTED: Final = "•••"


class HasSchema(Protocol):
    @property
    def schema(self) -> ParsedSchema: ...


def redacted(contract: HasSchema | ParsedSchema, datum: Mapping[str, Any]) -> dict[str, Any]:
    """Copy ``datum`` with every value that is tagged as personal replaced; null stays null.

    Where a union leaves open which record a value is, it is redacted as each of them.
    """
    schema = contract if isinstance(contract, ParsedSchema) else contract.schema
    shown = _shown(schema.root, datum)
    return shown if isinstance(shown, dict) else dict.fromkeys(datum, REDACTED)


def personal_values(contract: HasSchema | ParsedSchema, datum: Mapping[str, Any]) -> list[str]:
    """Return the texts in ``datum`` that are tagged as personal: what no log line may hold."""
    return list(_differing(datum, redacted(contract, datum)))


def pii_paths(schema: ParsedSchema) -> frozenset[str]:
    """Return the paths of the tagged fields: ``lead.email``, ``emails[].to``."""
    return frozenset(path for path in _paths(schema.root, ""))


def _is_personal(tagged: Field | RecordNode) -> bool:
    tags = tagged.props.get(TAGS_PROPERTY)
    return isinstance(tags, list) and PII in tags


def _shown(node: Node, value: Any) -> Any:
    match node, value:
        case RecordNode(), dict():
            return REDACTED if _is_personal(node) else _shown_record(node, value)
        case types.Array(items=items), list():
            return [_shown(items, item) for item in value]
        case types.Map(values=values), dict():
            return {key: _shown(values, item) for key, item in value.items()}
        case types.Union(branches=branches), _:
            for branch in branches:
                value = _shown(branch, value)
            return value
        case _:
            return value


def _shown_record(node: RecordNode, value: Mapping[str, Any]) -> dict[str, Any]:
    shown = dict(value)
    for field in node.fields:
        if field.name in shown and shown[field.name] is not None:
            shown[field.name] = REDACTED if _is_personal(field) else _shown(field.type, shown[field.name])
    return shown


def _paths(node: Node, path: str) -> list[str]:
    match node:
        case RecordNode() if _is_personal(node):
            return [path]
        case RecordNode():
            return [found for field in node.fields for found in _field_paths(field, path)]
        case types.Array(items=items):
            return _paths(items, f"{path}[]")
        case types.Map(values=values):
            return _paths(values, f"{path}{{}}")
        case types.Union(branches=branches):
            return [found for branch in branches for found in _paths(branch, path)]
        case _:
            return []


def _field_paths(field: Field, path: str) -> list[str]:
    inside = f"{path}.{field.name}" if path else field.name
    return [inside] if _is_personal(field) else _paths(field.type, inside)


def _differing(datum: Any, shown: Any) -> Iterator[str]:
    match datum, shown:
        case dict(), dict():
            for name, value in datum.items():
                yield from _differing(value, shown[name])
        case list(), list():
            for value, beside in zip(datum, shown, strict=True):
                yield from _differing(value, beside)
        case ((dict() | list()), _):
            for value in datum.values() if isinstance(datum, dict) else datum:
                yield from _differing(value, shown)
        case str(), _ if datum != shown:
            yield datum
