"""Leads as governed records: ``sdr.LeadCaptured`` on ``incoming_leads``."""

from collections.abc import Callable, Sequence
from typing import Final

from lead_capture.lead import CapturedLead
from signalbox.avro import ParsedSchema, encode, parse
from signalbox.kafka import Producer
from signalbox.protocol.envelope import Envelope, correlation_id_of, derived_id
from signalbox.protocol.errors import ConfigurationError, Fatal, Refusal, Unavailable, Unwritable
from signalbox.protocol.names import INCOMING_LEADS, MessageId, RecordType, SchemaId, Subject
from signalbox.protocol.records import Draft
from signalbox.registry.port import SchemaRegistry
from signalbox_contracts import schema_text, sdr

SOURCE: Final = "lead_capture"
LEAD_CAPTURED: Final = RecordType("sdr.LeadCaptured")


class KafkaPublisher:
    """Publishes leads in Confluent framing, under the schema id that the registry has for our contract."""

    def __init__(self, registry: SchemaRegistry, make_producer: Callable[[], Producer]) -> None:
        self._registry = registry
        self._make_producer = make_producer
        self._producer: Producer | None = None
        self._schema_text = schema_text(LEAD_CAPTURED)
        self._schema: ParsedSchema = parse(self._schema_text)
        self._schema_id: SchemaId | None = None

    async def prepare(self) -> None:
        """Look the contract up; it is never registered from here."""
        if self._schema_id is None:
            self._schema_id = await self._registry.lookup(Subject(LEAD_CAPTURED), self._schema_text)
        if self._schema_id is None:
            raise Unavailable(f"contract {LEAD_CAPTURED}", "this version is not in the registry yet")

    async def publish(self, leads: Sequence[CapturedLead]) -> None:
        """Publish ``leads`` in order; each has the message id that it has in every other attempt.

        Raises:
            Unavailable: publish them again.
            Unwritable: one of them will never be taken.
        """
        await self.prepare()
        if self._producer is None:
            self._producer = self._make_producer()
        try:
            await self._producer.publish(*map(self._draft, leads))
        except Fatal as error:
            # An idempotent producer that lost its sequence never recovers. The next attempt takes a new one.
            await self.close()
            raise Unavailable("broker", str(error)) from error
        except ConfigurationError:
            # What was forbidden may be fatal to it, too; when the operator has mended that, a new one works.
            await self.close()
            raise

    async def close(self) -> None:
        """Let go of the producer."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.close()

    def _draft(self, lead: CapturedLead) -> Draft:
        if self._schema_id is None:
            raise RuntimeError("prepare() comes first")
        try:
            record = sdr.LeadCaptured(
                lead=sdr.Lead(lead_id=lead.lead_id, captured_at=lead.captured_at, **lead.details.model_dump())
            )
            value = encode(self._schema_id, self._schema, record.model_dump())
        except (Refusal, ValueError) as error:  # stored by another version of this service, say
            raise Unwritable(INCOMING_LEADS, f"the contract can't hold it: {error}") from error
        return Draft(
            topic=INCOMING_LEADS,
            key=lead.lead_id.encode(),
            value=value,
            headers=envelope_of(lead).headers(),
        )


def envelope_of(lead: CapturedLead) -> Envelope:
    """Make a lead's envelope: its id follows from the lead id, so that a second publish is recognisable."""
    return Envelope(
        id=MessageId(derived_id(SOURCE, lead.lead_id)),
        source=SOURCE,
        type=LEAD_CAPTURED,
        time=lead.captured_at,
        correlation_id=correlation_id_of(lead.lead_id),
    )
