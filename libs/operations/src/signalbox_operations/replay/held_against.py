"""What a dead letter was written with, what it is held against now, and what the gate says of it now."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from signalbox.avro import Limits, ParsedSchema, decode, parse, unframe
from signalbox.gate import Contract, Contracts
from signalbox.protocol.dead_letters import failing_byte
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import RecordType, SchemaId, Subject
from signalbox.protocol.reasons import Reason
from signalbox.registry.port import SchemaRegistry


@dataclass(frozen=True, slots=True)
class Written:
    """A value's writer's schema: None where the registry does not know it, or it is not safe to use."""

    schema_id: SchemaId
    schema: ParsedSchema | None
    usages: tuple[tuple[Subject, int], ...]

    @property
    def record_type(self) -> RecordType | None:
        """The record type that the schema itself names."""
        return RecordType(self.schema.name) if self.schema and self.schema.name else None

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON: the id, and under which subjects and versions it is registered."""
        usages = [{"subject": subject, "version": version} for subject, version in self.usages]
        return {"schema_id": self.schema_id, "record_type": self.record_type, "registered_as": usages}


async def written_with(registry: SchemaRegistry, value: bytes | None) -> Written | None:
    """Return the writer's schema of ``value``; None when it is not framed. Raises Unavailable."""
    try:
        schema_id, _ = unframe(value)
    except Refusal:
        return None
    try:
        text = await registry.schema_text(schema_id)
        usages = tuple(sorted(await registry.usages(schema_id)))
    except Refusal:  # the registry has no answer about this id alone
        return Written(schema_id, None, ())
    return Written(schema_id, None if text is None else _parsed(text), usages)


async def contract_at(
    registry: SchemaRegistry, contracts: Contracts, record_type: RecordType, version: int | None
) -> tuple[int, SchemaId, ParsedSchema]:
    """Return a registered version of a contract: ``version``, or the one in force.

    Raises:
        Refusal: there is none that can be used.
        Unavailable: the registry can't be reached.
    """
    if version is None:
        contract = await contracts.get(record_type)
        if contract is None:
            raise Refusal(Reason.INCOMPATIBLE, f"no version of {record_type} can be held to now")
        return contract.version, contract.schema_id, contract.schema
    versions = await registry.versions(Subject(record_type))
    found = next((one for one in versions if one.version == version), None)
    if found is None:
        there = ", ".join(str(one.version) for one in versions) or "none"
        detail = f"{record_type} has no version {version}; registered versions: {there}"
        raise Refusal(Reason.UNKNOWN_SCHEMA, detail)
    return found.version, found.schema_id, parse(found.schema_text)


def contract_as_dict(contract: Contract | None) -> dict[str, Any] | None:
    """Return which contract is in force, for JSON."""
    if contract is None:
        return None
    return {
        "record_type": contract.record_type,
        "version": contract.version,
        "schema_id": contract.schema_id,
    }


def best_effort(
    value: bytes | None, written: Written | None, reader: ParsedSchema
) -> tuple[Mapping[str, Any] | None, str]:
    """Read as much of ``value`` as there is to read, and say what stands in the way of the rest.

    It is read as a record of ``reader`` if that can be, else as what it was written as. Bytes behind the
    datum are left out; a value that is JSON instead of Avro is taken as it is.
    """
    if written is None:
        return _as_json(value)
    if written.schema is None:
        detail = f"schema id {written.schema_id} is unknown to the registry, or not safe to use"
        return None, detail
    _, body = unframe(value)
    try:
        return decode(body, written.schema, reader, limits=_LIMITS), ""
    except Refusal as refusal:
        return _decoded(body, written.schema, f"the contract can't read it: {refusal}")


def _decoded(body: bytes, schema: ParsedSchema, problem: str) -> tuple[Mapping[str, Any] | None, str]:
    try:
        return decode(body, schema, limits=_LIMITS), problem
    except Refusal as refusal:
        return _start_of(body, schema, refusal), str(refusal)


def _start_of(body: bytes, schema: ParsedSchema, refusal: Refusal) -> Mapping[str, Any] | None:
    end = failing_byte(refusal.detail)
    if refusal.reason is not Reason.MALFORMED or refusal.field or end is None:
        return None
    try:
        return decode(body[:end], schema, limits=_LIMITS)
    except Refusal:
        return None


def _as_json(value: bytes | None) -> tuple[Mapping[str, Any] | None, str]:
    detail = "the value is not in the wire format (magic byte 0, schema id, Avro)"
    try:
        found = json.loads(value or b"")
    except (ValueError, RecursionError):
        return None, detail
    return (found, f"{detail}; it is JSON") if isinstance(found, dict) else (None, detail)


def _parsed(text: str) -> ParsedSchema | None:
    try:
        return parse(text)
    except Refusal:
        return None


_LIMITS = Limits(max_bytes=4 * 1024 * 1024, max_items=200_000, max_values=1_000_000)
"""A person looks at one message: more than the gate lets in, and still bounded."""
