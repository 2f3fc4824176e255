"""The contracts that an agent was built with, as the registry knows them."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Self

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from signalbox.agent.kit import Agent, Bound, bound
from signalbox.avro import ParsedSchema, decode, encode, parse, unframe
from signalbox.errors import Refusal, Unavailable
from signalbox.governance.registry import SchemaRegistry
from signalbox.governance.rules import Rules
from signalbox.names import RecordType, SchemaId, Subject
from signalbox.reasons import Reason
from signalbox_contracts import schema_text
from signalbox_contracts.control import AgentRegistered

_ANNOUNCEMENT: Final = "control.AgentRegistered"
_ASK_AGAIN_AFTER_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class OwnContract:
    """One contract of the agent: its model, and its id and version in the registry."""

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
        value = encode(self.schema_id, self.schema, _plain(record.model_dump(by_alias=True)))
        # The rules are held against what a reader will get: defaults filled in, times cut to milliseconds.
        self.rules.check(decode(unframe(value)[1], self.schema))
        return value


class OwnContracts:
    """All contracts of one agent."""

    def __init__(
        self,
        inputs: Iterable[OwnContract],
        outputs: Iterable[OwnContract],
        announcement: OwnContract,
        registry: SchemaRegistry,
    ) -> None:
        self.inputs: Mapping[RecordType, OwnContract] = {found.record_type: found for found in inputs}
        self.announcement = announcement
        self._outputs = {found.model: found for found in outputs}
        self._registry = registry
        self._written_by: dict[SchemaId, ParsedSchema] = {}

    @classmethod
    async def look_up(cls, agent: Agent, registry: SchemaRegistry) -> Self:
        """Find the contracts in the registry; none is registered here.

        Raises:
            Unavailable: the registry can't be reached, or does not have one of them (yet).
        """
        inputs = [await _look_up(contract, registry) for contract in agent.takes]
        outputs = [await _look_up(contract, registry) for contract in agent.gives]
        announcement = await _look_up(bound(AgentRegistered, schema_text(_ANNOUNCEMENT)), registry)
        return cls(inputs, outputs, announcement, registry)

    def of_output(self, record: BaseModel) -> OwnContract | None:
        """Return the contract of an answer; None when the agent doesn't declare it."""
        return self._outputs.get(type(record))

    def violation(self, record: BaseModel) -> str | None:
        """Say what the output contract has against ``record``; None when nothing."""
        contract = self.of_output(record)
        if contract is None:
            return f"{type(record).__name__} is no declared output"
        try:
            contract.encode(record)
        except Refusal as refusal:
            return f"{refusal.field}: {refusal.detail}" if refusal.field else refusal.detail
        return None

    async def decode(self, contract: OwnContract, value: bytes) -> BaseModel:
        """Read a framed message as ``contract`` has it, whoever wrote it.

        Raises:
            Refusal: it can't be read, or isn't a record of this type.
            Unavailable: the registry is needed and can't be reached.
        """
        schema_id, body = unframe(value)
        writer = await self._writer(schema_id)
        if writer.name != contract.record_type:
            detail = f"schema {schema_id} is of {writer.name or 'no record'}, not {contract.record_type}"
            raise Refusal(Reason.NOT_ADMITTED, detail)
        datum = decode(body, writer, contract.schema)
        try:
            return contract.model.model_validate(datum)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(step) for step in first["loc"])
            raise Refusal(Reason.INCOMPATIBLE, first["msg"], place) from error

    async def json_of(self, value: bytes) -> Any:
        """Read a framed message as JSON values, for people."""
        schema_id, body = unframe(value)
        return to_jsonable_python(decode(body, await self._writer(schema_id)), bytes_mode="base64")

    def versions(self) -> list[dict[str, str | int]]:
        """Return record type, version and schema id of each input and output."""
        return [
            {"record_type": found.record_type, "version": found.version, "schema_id": found.schema_id}
            for found in (*self.inputs.values(), *self._outputs.values())
        ]

    async def _writer(self, schema_id: SchemaId) -> ParsedSchema:
        if schema_id not in self._written_by:
            text = await self._registry.schema_text(schema_id)
            if text is None:
                # A registry's follower may lag behind the one that the gate asked.
                await asyncio.sleep(_ASK_AGAIN_AFTER_S)
                text = await self._registry.schema_text(schema_id)
            if text is None:
                raise Refusal(Reason.UNKNOWN_SCHEMA, f"the registry does not know schema id {schema_id}")
            self._written_by[schema_id] = parse(text)
        return self._written_by[schema_id]


async def _look_up(contract: Bound, registry: SchemaRegistry) -> OwnContract:
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


def _plain(value: Any) -> Any:
    """Turn what pydantic dumps into Avro's own values: enumerations become their symbols."""
    match value:
        case Enum():
            return value.value
        case dict():
            return {name: _plain(item) for name, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value
