"""The gate: nine checks between a record and everything that would act on it, in the order of the table.

The first check that fails decides. A check raises :class:`Refusal` with its reason; ``Unavailable``, when the
registry can't be reached, is the only thing that leaves :meth:`Gate.check` as an exception: it says nothing
about the record.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from signalbox.avro.codec import decode_scanned, require_readable
from signalbox.avro.framing import unframe
from signalbox.avro.limits import Limits
from signalbox.avro.scan import scan
from signalbox.avro.schema import ParsedSchema
from signalbox.gate.contracts import Contract, Contracts
from signalbox.gate.schemas import WriterSchema, WriterSchemas
from signalbox.protocol.envelope import Envelope, completed, text
from signalbox.protocol.errors import Refusal
from signalbox.protocol.headers import CE
from signalbox.protocol.names import INCOMING_LEADS, LeadId, RecordType, SchemaId, Subject
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Record
from signalbox.registry.port import SchemaRegistry

__all__ = ["CHECKS", "Accepted", "Admission", "Gate", "Limits", "Rejected"]

_SHOWN: Final = 500
_INTAKE: Final = "intake"
_NO_ID: Final = SchemaId(0)
_NO_LEAD: Final = LeadId("")
_NO_TYPE: Final = RecordType("")


class Admission(Protocol):
    """What a topic admits: the catalog and the registered agents say so."""

    def admits(self, topic: str, record_type: RecordType) -> bool:
        """Say whether records of ``record_type`` belong on ``topic``."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """The record must not be acted on. ``field`` is a path inside the record, or a header's name."""

    reason: Reason
    detail: str
    field: str = ""

    @property
    def refusal(self) -> Refusal:
        """The verdict as an error: what dead letters are made of."""
        return Refusal(self.reason, self.detail, self.field)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The record keeps its contract. ``datum`` is as the contract in force reads it, and read-only.

    ``writer`` is the schema that it was written by; None stands for the contract's own.
    """

    record: Record
    envelope: Envelope
    lead_id: LeadId
    record_type: RecordType
    datum: dict[str, Any]
    contract: Contract
    writer: ParsedSchema | None = None

    def written(self) -> tuple[Mapping[str, Any], ParsedSchema]:
        """Decode the record as its writer wrote it, whichever contract is in force, and return its schema.

        Raises:
            Refusal: the contract passes over a part that can't be decoded.
        """
        if self.writer is None:
            return self.datum, self.contract.schema
        return decode_scanned(unframe(self.record.value)[1], self.writer, self.writer), self.writer


@dataclass(slots=True)
class _Inspection:
    """One record on its way through the gate: each check leaves here what the next ones need."""

    record: Record
    schema_id: SchemaId = _NO_ID
    body: bytes = b""
    lead_id: LeadId = _NO_LEAD
    envelope: Envelope = field(init=False)
    schema: WriterSchema = field(init=False)
    writer: ParsedSchema = field(init=False)
    record_type: RecordType = _NO_TYPE
    contract: Contract = field(init=False)
    datum: dict[str, Any] = field(default_factory=dict)

    def accepted(self) -> Accepted:
        return Accepted(
            self.record,
            self.envelope,
            self.lead_id,
            self.record_type,
            self.datum,
            self.contract,
            self.writer,
        )


class Gate:
    """Checks records against the contracts in force; holds nothing of any record."""

    def __init__(
        self,
        registry: SchemaRegistry,
        contracts: Contracts,
        admission: Admission,
        limits: Limits = Limits(),  # noqa: B008  (a frozen value)
        *,
        schemas: WriterSchemas | None = None,
    ) -> None:
        self.schemas = schemas or WriterSchemas(registry, limits)
        self.contracts = contracts
        self.admission = admission
        self.limits = limits

    async def check(self, record: Record) -> Accepted | Rejected:
        """Check one record. Raises Unavailable only."""
        inspection = _Inspection(record)
        try:
            for _, check in CHECKS:
                await check(self, inspection)
        except Refusal as refusal:
            return Rejected(refusal.reason, refusal.detail[:_SHOWN], refusal.field[:_SHOWN])
        return inspection.accepted()


async def _within_limits(gate: Gate, inspection: _Inspection) -> None:
    record, limits = inspection.record, gate.limits
    if len(record.headers) > limits.max_items:
        raise Refusal(Reason.TOO_LARGE, f"{len(record.headers)} headers, more than {limits.max_items}")
    size = len(record.value or b"")
    for name, value in record.headers:
        size += len(name.encode("utf-8", "surrogatepass")) + len(value or b"")
    if size > limits.max_bytes:
        detail = f"value and headers have {size} bytes together, more than {limits.max_bytes}"
        raise Refusal(Reason.TOO_LARGE, detail)


async def _framed(_: Gate, inspection: _Inspection) -> None:
    inspection.schema_id, inspection.body = unframe(inspection.record.value)


async def _headers_valid(_: Gate, inspection: _Inspection) -> None:
    record = inspection.record
    if record.unreadable_headers:
        raise Refusal(Reason.HEADER_INVALID, "the name of a header is not UTF-8, so no header can be read")
    inspection.lead_id = LeadId(text(record.key, "key"))
    if record.topic == INCOMING_LEADS:
        # The record type is known when the schema is; until then a missing one stays empty.
        inspection.envelope = completed(record, _NO_TYPE, inspection.lead_id, source=_INTAKE)
    else:
        inspection.envelope = Envelope.parse(record.headers)


async def _schema_known(gate: Gate, inspection: _Inspection) -> None:
    schema = await gate.schemas.get(inspection.schema_id)
    if schema is None:
        detail = f"the registry does not know schema id {inspection.schema_id}"
        raise Refusal(Reason.UNKNOWN_SCHEMA, detail)
    inspection.schema = schema


async def _admitted(gate: Gate, inspection: _Inspection) -> None:
    topic, schema_id = inspection.record.topic, inspection.schema_id
    name = inspection.schema.parsed.name if inspection.schema.parsed else None

    def is_admitted(subject: Subject) -> bool:
        # A schema that is unsafe has no name to compare; the next check refuses it.
        return name in (subject, None) and gate.admission.admits(topic, RecordType(subject))

    subjects = await gate.schemas.subjects(schema_id, is_admitted)
    if not subjects:
        what = "no record" if name == "" else name or "an unsafe schema"
        detail = f"schema id {schema_id} ({what}) is registered under no record type that {topic} admits"
        raise Refusal(Reason.NOT_ADMITTED, detail)
    said = inspection.envelope.type
    if said != _NO_TYPE and Subject(said) not in subjects:
        raise Refusal(Reason.NOT_ADMITTED, f"ce_type says {said}, the schema says {min(subjects)}", CE.TYPE)
    inspection.record_type = RecordType(min(subjects))
    inspection.envelope = replace(inspection.envelope, type=inspection.record_type)


async def _safe(_: Gate, inspection: _Inspection) -> None:
    if inspection.schema.parsed is None:
        raise inspection.schema.unsafe or Refusal(Reason.UNSAFE_SCHEMA, "the schema can't be used")
    inspection.writer = inspection.schema.parsed


async def _well_formed(gate: Gate, inspection: _Inspection) -> None:
    scan(inspection.body, inspection.writer, gate.limits)


async def _readable(gate: Gate, inspection: _Inspection) -> None:
    contract = await gate.contracts.get(inspection.record_type)
    if contract is None:
        detail = f"no version of {inspection.record_type} can be held to now"
        raise Refusal(Reason.INCOMPATIBLE, detail)
    inspection.contract = contract
    require_readable(inspection.writer, contract.schema)
    inspection.datum = decode_scanned(inspection.body, inspection.writer, contract.schema)


async def _rules_hold(_: Gate, inspection: _Inspection) -> None:
    inspection.contract.rules.check(inspection.datum)


CHECKS: Final[tuple[tuple[Reason, Callable[[Gate, _Inspection], Awaitable[None]]], ...]] = (
    (Reason.TOO_LARGE, _within_limits),
    (Reason.NOT_FRAMED, _framed),
    (Reason.HEADER_INVALID, _headers_valid),
    (Reason.UNKNOWN_SCHEMA, _schema_known),
    (Reason.NOT_ADMITTED, _admitted),
    (Reason.UNSAFE_SCHEMA, _safe),
    (Reason.MALFORMED, _well_formed),
    (Reason.INCOMPATIBLE, _readable),
    (Reason.RULE_VIOLATED, _rules_hold),
)
"""The checks in their order. What a value holds is counted when it is walked, so ``MALFORMED``'s check may
also say ``TOO_LARGE``: before any object is built, and as soon as the schema is known to be safe."""
