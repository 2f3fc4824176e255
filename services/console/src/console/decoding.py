"""Decoding with the writer's schema by id. What can't be decoded is not there; it never stops the reading."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from console.facts import DECIDED, Decoded
from console.reading import wanted
from signalbox.avro import Limits, ParsedSchema, decode, parse, unframe
from signalbox.kafka import MAX_MESSAGE_BYTES
from signalbox.protocol.errors import NotAnAnswer, Refusal
from signalbox.protocol.names import SchemaId, Subject
from signalbox.protocol.records import Record
from signalbox.registry.port import SchemaRegistry

LIMITS: Final = Limits(max_bytes=MAX_MESSAGE_BYTES)
"""A decision carries a whole message, and so may be larger than one."""

_PROBE: Final = Subject(DECIDED)
"""A subject that every registry of ours has; asking for it says whether the registry answers."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """The outcome of a best-effort decoding: a datum, or the problem in words."""

    datum: dict[str, Any] | None = None
    problem: str | None = None


class Schemas:
    """The writers' schemas that were met so far, by id."""

    def __init__(self, registry: SchemaRegistry) -> None:
        self._registry = registry
        self._known: dict[SchemaId, ParsedSchema | None] = {}

    async def reach(self) -> None:
        """Return when the registry answers.

        Raises:
            Unavailable: it does not.
        """
        await self._registry.versions(_PROBE)

    async def prepare(self, records: Iterable[Record]) -> None:
        """Fetch the schemas that :meth:`decode` will need for ``records``.

        Raises:
            Unavailable: the registry can't be reached.
        """
        for schema_id in {_schema_id(record) for record in records if wanted(record)} - {None}:
            assert schema_id is not None
            await self._fetch(schema_id)

    def decode(self, record: Record) -> Decoded | None:
        """Decode what the projection wants of ``record``; only as the record type that belongs there."""
        expected, schema_id = wanted(record), _schema_id(record)
        schema = None if schema_id is None else self._known.get(schema_id)
        if expected is None or schema is None or schema.name != expected:
            return None
        attempt = _attempt(schema, record.value)
        return None if attempt.datum is None else Decoded(attempt.datum, schema)

    async def attempt(self, value: bytes | None) -> Attempt:
        """Decode any framed ``value`` by its writer's schema, to show it to people.

        Raises:
            Unavailable: the registry can't be reached.
        """
        try:
            schema_id, _ = unframe(value)
            await self._fetch(schema_id)
        except Refusal as refusal:
            return Attempt(problem=str(refusal))
        schema = self._known.get(schema_id)
        if schema is None:
            return Attempt(problem=f"schema id {schema_id} is unknown to the registry, or not safe to use")
        return _attempt(schema, value)

    async def _fetch(self, schema_id: SchemaId) -> None:
        if schema_id in self._known:
            return
        try:
            text = await self._registry.schema_text(schema_id)
        except Refusal:
            return  # the registry has no answer about this id alone; it is shown as one that is unknown
        except NotAnAnswer:
            await self.reach()  # whether others have an answer says whether this id alone has none
            raise
        if text is not None:  # an unknown id may be known later: registry followers lag
            self._known[schema_id] = _parsed(text)


def _parsed(text: str) -> ParsedSchema | None:
    try:
        return parse(text)
    except Refusal:
        return None


def _attempt(schema: ParsedSchema, value: bytes | None) -> Attempt:
    try:
        _, body = unframe(value)
        return Attempt(datum=decode(body, schema, limits=LIMITS))
    except Refusal as refusal:
        return Attempt(problem=str(refusal))


def _schema_id(record: Record) -> SchemaId | None:
    try:
        return unframe(record.value)[0]
    except Refusal:
        return None
