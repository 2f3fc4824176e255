"""Control records: the system's own events, governed by the same contracts as everybody's.

Schema ids are looked up in the registry, never registered from here.
"""

from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError

from signalbox.avro import ParsedSchema, decode, encode, parse, unframe
from signalbox.control import schema_text
from signalbox.control.models import (
    AgentGranted,
    AgentRegistered,
    DayBudgetSpent,
    MessageDiscarded,
    MessageRejected,
    MessageReplayed,
    RouteCorrected,
    RouteDecided,
)
from signalbox.protocol.errors import Refusal, Unavailable
from signalbox.protocol.names import RecordType, SchemaId, Subject
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Record
from signalbox.registry.port import SchemaRegistry

T = TypeVar("T", bound=BaseModel)

_RECORDS: Final[tuple[type[BaseModel], ...]] = (
    RouteDecided,
    AgentRegistered,
    AgentGranted,
    MessageRejected,
    MessageReplayed,
    MessageDiscarded,
    RouteCorrected,
    DayBudgetSpent,
)


class ControlRecords:
    """Writes and reads control records by the contracts that this process was built with."""

    def __init__(self, registry: SchemaRegistry) -> None:
        self._registry = registry
        self._schemas = {model: parse(schema_text(record_type_of(model))) for model in _RECORDS}
        self._ids: dict[type[BaseModel], SchemaId] = {}
        self._writers: dict[SchemaId, ParsedSchema] = {}

    async def load(self) -> None:
        """Look up the schema ids under which this process writes.

        Raises:
            Unavailable: the registry can't be reached, or does not have these contracts yet.
        """
        for model, schema in self._schemas.items():
            record_type = record_type_of(model)
            schema_id = await self._registry.lookup(Subject(record_type), schema.text)
            if schema_id is None:
                detail = (
                    f"this version of {record_type} is not registered; run `signalbox contracts register`"
                )
                raise Unavailable("contracts", detail)
            self._ids[model] = schema_id
            self._writers[schema_id] = schema

    def write(self, record: BaseModel) -> bytes:
        """Encode ``record`` in the wire format; :meth:`load` comes first."""
        model = type(record)
        return encode(self._ids[model], self._schemas[model], record.model_dump())

    async def read(self, model: type[T], record: Record) -> T:
        """Decode ``record``, which another version of this code may have written.

        Raises:
            Refusal: its bytes or its schema are not a ``model``.
            Unavailable: the registry can't be reached.
        """
        schema_id, body = unframe(record.value)
        datum = decode(body, await self._writer(schema_id, record_type_of(model)), self._schemas[model])
        try:
            return model.model_validate(datum)
        except ValidationError as error:
            raise Refusal(Reason.MALFORMED, str(error)) from error

    def reread(self, model: type[T], value: bytes | None) -> T:
        """Decode what :meth:`write` made."""
        _, body = unframe(value)
        return model.model_validate(decode(body, self._schemas[model]))

    async def _writer(self, schema_id: SchemaId, record_type: RecordType) -> ParsedSchema:
        if schema_id not in self._writers:
            written = await self._registry.schema_text(schema_id)
            if written is None:
                raise Refusal(Reason.UNKNOWN_SCHEMA, f"the registry does not know the schema id {schema_id}")
            self._writers[schema_id] = parse(written)
        writer = self._writers[schema_id]
        if writer.name != record_type:
            raise Refusal(Reason.NOT_ADMITTED, f"schema {schema_id} is {writer.name}, expected {record_type}")
        return writer


def record_type_of(model: type[BaseModel]) -> RecordType:
    """Return the record type of a control model."""
    return RecordType(f"control.{model.__name__}")
