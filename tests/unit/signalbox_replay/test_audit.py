"""The audit event of a dead letter's end: a record like every other, of its lead's workflow."""

from datetime import UTC, datetime, timedelta

import pytest

from signalbox.control.models import MessageDiscarded, MessageReplayed
from signalbox.protocol.envelope import Envelope, derived_id
from signalbox.protocol.records import written
from signalbox_operations.replay import ReplayOptions
from signalbox_operations.replay.audit import Audit, lead_of
from signalbox_operations.replay.renewal import renewed


@pytest.fixture
def audit(control):
    return Audit(control, "rev@ops")


def message_of(dead_letter):
    return renewed(dead_letter, ReplayOptions(), None, b"").draft


def test_an_audit_event_is_of_its_messages_workflow_and_names_the_message_as_its_cause(
    audit, dead_letter, envelope
):
    one = dead_letter()
    for draft, what in (
        (audit.discarded(one, "no use"), "control.MessageDiscarded"),
        (audit.replayed(one, message_of(one), "mended"), "control.MessageReplayed"),
    ):
        sent = Envelope.parse(draft.headers)
        assert (draft.topic, draft.key, sent.type, sent.source) == (
            "governance_audit",
            b"lead-1",
            what,
            "dead-letters",
        )
        assert (sent.correlation_id, sent.causation_id) == (envelope.correlation_id, "m-1")
        assert datetime.now(UTC) - sent.time < timedelta(minutes=1)


def test_the_id_of_an_audit_event_follows_from_where_the_dead_letter_lies_and_how_it_ended(
    audit, dead_letter
):
    """A retry repeats it, by this version of the code or the next one."""
    one = dead_letter()
    replayed, discarded = audit.replayed(one, message_of(one), "mended"), audit.discarded(one, "no use")
    for draft, how in ((replayed, "replayed"), (discarded, "discarded")):
        assert Envelope.parse(draft.headers).id == derived_id("agent_messages_dlt", "3", "17", how)


async def test_what_says_neither_its_message_nor_its_lead_has_an_audit_event_nevertheless(
    audit, control, dead_letter
):
    bare = dead_letter(headers=(), key=None)
    draft = audit.discarded(bare, "no use")
    sent = Envelope.parse(draft.headers)
    assert (draft.key, sent.correlation_id, sent.causation_id) == (None, sent.id, None)
    event = await control.read(MessageDiscarded, written(draft))
    assert (event.message_id, event.lead_id, event.correlation_id) == (None, None, None)


async def test_an_audit_event_says_where_the_dead_letter_lies(audit, control, dead_letter):
    one = dead_letter()
    discarded = await control.read(MessageDiscarded, written(audit.discarded(one, "no use")))
    replayed = await control.read(MessageReplayed, written(audit.replayed(one, message_of(one), "mended")))
    for event in (discarded, replayed):
        lies_at = (event.dead_letter_topic, event.dead_letter_partition, event.dead_letter_offset)
        assert lies_at == ("agent_messages_dlt", 3, 17)


async def test_what_is_no_text_is_audited_as_far_as_it_can_be_read(audit, control, dead_letter):
    odd = dead_letter(headers=(("ce_id", b"m-\xff"), ("ce_correlationid", b"c-\xff")), key=b"lead-\xff")
    event = await control.read(MessageDiscarded, written(audit.discarded(odd, "no use")))
    assert (event.message_id, event.correlation_id, event.lead_id) == ("m-\ufffd", "c-\ufffd", "lead-\ufffd")


@pytest.mark.parametrize(
    ("key", "lead_id"), [(b"lead-1", "lead-1"), (b"", ""), (None, None), (b"lead-\xff", "lead-\ufffd")]
)
def test_a_key_names_the_lead_as_far_as_it_can_be_read(key, lead_id):
    assert lead_of(key) == lead_id
