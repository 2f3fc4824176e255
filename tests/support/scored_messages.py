"""Messages of ``sdr.LeadScored``: found on the topic, and sent by hand."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from committed_contracts import schema_text
from contract_changes import SCORED
from operating import lead
from signalbox.avro import encode, parse
from signalbox.protocol.envelope import Envelope, correlation_id_of
from signalbox.protocol.names import AGENT_MESSAGES, LeadId, MessageId, RecordType, SchemaId
from signalbox.protocol.records import Draft, Record
from traffic import Traffic, source_of, written_with

DRAFTED: Final = RecordType("sdr.CampaignDrafted")


async def scored_by(traffic: Traffic, agent: str, lead_id: str) -> Record | None:
    """Find the score that ``agent`` gave a lead."""
    found = [record for record in await traffic.messages(SCORED, lead_id) if source_of(record) == agent]
    return found[0] if found else None


async def old_message_for(traffic: Traffic, reader: str, schema_id: SchemaId) -> Record:
    """Find a message that was written with ``schema_id`` and answered by ``reader``."""
    answered = {
        record.header("ce_causationid")
        for record in await traffic.messages(DRAFTED)
        if source_of(record) == reader
    }
    return next(
        record
        for record in await traffic.messages(SCORED)
        if source_of(record) == "lead_scoring"
        and record.header("ce_id") in answered
        and written_with([record]) == {schema_id}
    )


def sent_again(record: Record) -> Draft:
    """Make the same bytes a message of a workflow of its own."""
    lead_id = LeadId(f"again-{uuid.uuid4()}")
    envelope = replace(
        Envelope.parse(record.headers),
        id=MessageId(str(uuid.uuid4())),
        correlation_id=correlation_id_of(lead_id),
    )
    return Draft(AGENT_MESSAGES, lead_id.encode(), record.value, envelope.headers())


def engaged_with_a_score_of_40(schema_id: SchemaId) -> Draft:
    """Make a message that its contract allows, and that the stricter rule forbids."""
    lead_id = LeadId(f"probe-{uuid.uuid4()}")
    record = {
        "lead": {**lead(7), "lead_id": lead_id, "captured_at": datetime.now(UTC)},
        "score": 40,
        "next_step": "ACTIVELY_ENGAGE",
        "talking_points": ["They have a budget."],
        "rationale": "Somebody had a feeling.",
    }
    envelope = Envelope(
        id=MessageId(str(uuid.uuid4())),
        source="somebody",
        type=SCORED,
        time=datetime.now(UTC),
        correlation_id=correlation_id_of(lead_id),
    )
    value = encode(schema_id, parse(schema_text(SCORED)), record)
    return Draft(AGENT_MESSAGES, lead_id.encode(), value, envelope.headers())


def id_of(draft: Draft) -> MessageId:
    """Return the id of a message that was made here."""
    return Envelope.parse(draft.headers).id


def key_of(draft: Draft) -> str:
    """Return the lead id of a message that was made here."""
    return (draft.key or b"").decode()
