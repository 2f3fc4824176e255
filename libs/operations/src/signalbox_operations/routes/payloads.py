"""Messages inside decisions, decoded by the schemas that they were written with."""

from collections.abc import Mapping
from typing import Any

from signalbox.avro import ParsedSchema, decode, parse, unframe
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import SchemaId
from signalbox.protocol.reasons import Reason
from signalbox.registry.port import SchemaRegistry


class Payloads:
    """Decodes values of any record type; the registry is asked once for each schema."""

    def __init__(self, registry: SchemaRegistry) -> None:
        self._registry = registry
        self._schemas: dict[SchemaId, ParsedSchema | Refusal] = {}

    async def decode(self, value: bytes) -> Mapping[str, Any]:
        """Decode ``value``, which is in the wire format, as what it was written as.

        Raises:
            Refusal: it is not in the wire format, or its schema is gone or not safe to use.
            Unavailable: the registry can't be reached.
        """
        schema_id, body = unframe(value)
        if schema_id not in self._schemas:
            self._schemas[schema_id] = await self._asked(schema_id)
        schema = self._schemas[schema_id]
        if isinstance(schema, Refusal):
            raise schema
        return decode(body, schema)

    async def _asked(self, schema_id: SchemaId) -> ParsedSchema | Refusal:
        try:
            text = await self._registry.schema_text(schema_id)
            if text is not None:
                return parse(text)
        except Refusal as refusal:
            return refusal
        return Refusal(Reason.UNKNOWN_SCHEMA, f"the registry does not know the schema id {schema_id}")
