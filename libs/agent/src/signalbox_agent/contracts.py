"""The contracts that an agent was built with, and those that hold now."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn, Self

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from signalbox.avro import ParsedSchema, decode, parse, unframe
from signalbox.control import schema_text
from signalbox.control.models import AgentRegistered
from signalbox.gate import Contracts
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import RecordType, SchemaId
from signalbox.protocol.reasons import Reason
from signalbox.registry.port import SchemaRegistry
from signalbox.registry.presence import RegistryPresence
from signalbox_agent.in_force import InForce, violation_of
from signalbox_agent.kit import Agent, bound
from signalbox_agent.own_contract import OwnContract, look_up

__all__ = ["OwnContract", "OwnContracts"]

_ANNOUNCEMENT: Final = "control.AgentRegistered"
_ASK_AGAIN_AFTER_S: Final = 1.0


class OwnContracts:
    """All contracts of one agent."""

    def __init__(
        self,
        inputs: Iterable[OwnContract],
        outputs: Iterable[OwnContract],
        announcement: OwnContract,
        registry: SchemaRegistry,
        in_force: InForce,
    ) -> None:
        self.inputs: Mapping[RecordType, OwnContract] = {found.record_type: found for found in inputs}
        self.announcement = announcement
        self._outputs = {found.model: found for found in outputs}
        self._registry = registry
        self._in_force = in_force
        self._written_by: dict[SchemaId, ParsedSchema] = {}

    @classmethod
    async def look_up(
        cls, agent: Agent, registry: SchemaRegistry, *, pins: Mapping[RecordType, int] = {}
    ) -> Self:
        """Find the contracts in the registry; none is registered here. ``pins`` hold one back at a version.

        Raises:
            Unavailable: the registry can't be reached, or does not have one of them (yet).
        """
        inputs = [await look_up(contract, registry) for contract in agent.takes]
        outputs = [await look_up(contract, registry) for contract in agent.gives]
        announcement = await look_up(bound(AgentRegistered, schema_text(_ANNOUNCEMENT)), registry)
        in_force = InForce(Contracts(registry, pins=pins), [found.record_type for found in outputs])
        await in_force.load()
        return cls(inputs, outputs, announcement, registry, in_force)

    def told(self) -> str:
        """Say which version of each output's contract is in force, for the operator."""
        return self._in_force.told()

    async def follow(self, refresh_s: float, presence: RegistryPresence) -> NoReturn:
        """Ask the registry every ``refresh_s`` seconds, forever, what holds for the outputs now.

        ``presence`` tells when it is away.
        """
        await presence.follow(self._in_force.renew, refresh_s)

    def of_output(self, record: BaseModel) -> OwnContract | None:
        """Return the contract of an answer; None when the agent doesn't declare it."""
        return self._outputs.get(type(record))

    def encode(self, contract: OwnContract, record: BaseModel) -> bytes:
        """Write an answer, held against its own contract and against the one in force.

        Raises:
            Refusal: the gate would not let it pass.
        """
        value = contract.encode(record)
        self._in_force.check(contract, value)
        return value

    def violation(self, record: BaseModel) -> str | None:
        """Say what the output's contract has against ``record``, for the model to mend; None when nothing.

        Raises:
            Refusal: the gate would not let it pass, whatever its values were.
        """
        contract = self.of_output(record)
        if contract is None:
            return f"{type(record).__name__} is no declared output"
        try:
            self.encode(contract, record)
        except Refusal as refusal:
            return violation_of(refusal)
        return None

    def personal_values(self, record_type: RecordType, record: BaseModel) -> list[str]:
        """Return the texts in an input ``record`` that its contract tags as personal."""
        return self.inputs[record_type].personal_values(record)

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
