"""Messages as a test writes and reads them: models, by the contracts that are bound to them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from pydantic import BaseModel

from signalbox.avro import decode, encode, parse, unframe
from signalbox.protocol.envelope import Envelope, correlation_id_of
from signalbox.protocol.errors import ConfigurationError, Refusal
from signalbox.protocol.names import LeadId, MessageId, RecordType
from signalbox.protocol.records import Draft, Record
from signalbox_agent.kit import Bound
from signalbox_agent.own_contract import plain
from signalbox_agent.testing.registry import MemoryRegistry


@dataclass(frozen=True, slots=True)
class LoggedMessage:
    """A message as it lies in the log. ``record`` is None where no contract binds a model to its type."""

    record_type: RecordType
    record: BaseModel | None
    datum: Mapping[str, Any]
    envelope: Envelope
    at: Record

    @property
    def source(self) -> str:
        """Who wrote it: an agent's id, for one."""
        return self.envelope.source


class Messages:
    """Writes and reads records by the contracts that are registered here."""

    def __init__(self, registry: MemoryRegistry) -> None:
        self._registry = registry
        self._bounds: dict[RecordType, Bound] = {}

    def register(self, contracts: Iterable[Bound]) -> None:
        """Register ``contracts``; the last one of a type is the one that it is written and read by."""
        for contract in contracts:
            self._registry.register(contract.record_type, contract.schema_text)
            self._bounds[contract.record_type] = contract

    def type_of(self, record: BaseModel) -> RecordType:
        """Return the type that the record's class is bound to.

        Raises:
            ConfigurationError: it is bound to none.
        """
        bound = next((one for one in self._bounds.values() if one.model is type(record)), None)
        if bound is None:
            raise ConfigurationError(f"no agent takes or gives a {type(record).__name__}; pass contracts=")
        return bound.record_type

    def draft(
        self, topic: str, record: BaseModel, lead_id: str, now: datetime, attributes: Mapping[str, Any]
    ) -> Draft:
        """Write ``record``, whether or not its data rules hold, with the attributes of a workflow's start."""
        bound = self._bounds[self.type_of(record)]
        message = MessageId(str(attributes.get("id", uuid4())))
        lead = LeadId(lead_id or _lead_id(record) or message)
        start = {
            "source": "test",
            "time": now,
            "workflow_time": now,
            "correlation_id": correlation_id_of(lead),
        }
        envelope = Envelope(**{"type": bound.record_type, **start, **attributes, "id": message})
        schema_id = self._registry.register(bound.record_type, bound.schema_text)
        value = encode(schema_id, parse(bound.schema_text), plain(record.model_dump(by_alias=True)))
        return Draft(topic, lead.encode(), value, envelope.headers())

    def read(self, record: Record) -> LoggedMessage | None:
        """Read a record of ``agent_messages``; None where it can't be read, and so was refused."""
        try:
            envelope = Envelope.parse(record.headers)
            schema_id, body = unframe(record.value)
            writer = parse(self._registry.text_of(schema_id) or "")
            own = self._bounds.get(RecordType(writer.name))
            datum = decode(body, writer, parse(own.schema_text) if own else None)
        except Refusal:
            return None
        model = own.model.model_validate(datum) if own else None
        return LoggedMessage(RecordType(writer.name), model, datum, envelope, record)


def _lead_id(record: Any) -> str:
    return str(getattr(getattr(record, "lead", record), "lead_id", None) or "")
