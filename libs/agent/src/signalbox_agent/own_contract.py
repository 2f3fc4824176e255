"""One contract that an agent was built with, as the registry knows it."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

from pydantic import BaseModel

from signalbox.avro import ParsedSchema, decode, encode, parse, unframe
from signalbox.gate.pii import personal_values
from signalbox.gate.rules import Rules
from signalbox.protocol.errors import Unavailable
from signalbox.protocol.names import RecordType, SchemaId, Subject
from signalbox.registry.port import SchemaRegistry
from signalbox_agent.kit import Bound


@dataclass(frozen=True, slots=True)
class OwnContract:
    """A contract of the agent: its model, and its id and version in the registry."""

    record_type: RecordType
    version: int
    schema_id: SchemaId
    schema: ParsedSchema
    rules: Rules
    model: type[BaseModel]

    def encode(self, record: BaseModel) -> bytes:
        """Write ``record`` as framed Avro.

        Raises:
            Refusal: ``RULE_VIOLATED``, ``MALFORMED`` or ``TOO_LARGE``: the gate would not let it pass.
        """
        value = encode(self.schema_id, self.schema, plain(record.model_dump(by_alias=True)))
        # The rules are held against what a reader will get: defaults filled in, times cut to milliseconds.
        self.rules.check(decode(unframe(value)[1], self.schema))
        return value

    def personal_values(self, record: BaseModel) -> list[str]:
        """Return the texts in ``record`` that the contract tags as personal."""
        return personal_values(self.schema, plain(record.model_dump(by_alias=True)))


async def look_up(contract: Bound, registry: SchemaRegistry) -> OwnContract:
    """Find ``contract`` in the registry; it is not registered here.

    Raises:
        Unavailable: the registry can't be reached, or does not have it (yet).
    """
    subject = Subject(contract.record_type)
    schema_id = await registry.lookup(subject, contract.schema_text)
    if schema_id is None:
        raise Unavailable(
            "contracts", f"the registry does not have this service's version of {subject} (yet)"
        )
    versions = [number for used, number in await registry.usages(schema_id) if used == subject]
    if not versions:
        raise Unavailable(
            "contracts", f"the registry lists no version of {subject} for schema id {schema_id}"
        )
    schema = parse(contract.schema_text)
    rules = Rules(schema)
    return OwnContract(contract.record_type, max(versions), schema_id, schema, rules, contract.model)


def plain(value: Any) -> Any:
    """Turn what pydantic dumps into Avro's own values: enumerations become their symbols."""
    match value:
        case Enum():
            return value.value
        case dict():
            return {name: plain(item) for name, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case _:
            return value
