import re
from datetime import UTC, datetime, timedelta

import pytest

from signalbox.protocol.envelope import Envelope, correlation_id_of, replay_id
from signalbox.protocol.names import LeadId, RecordType
from signalbox.protocol.reasons import Reason
from signalbox_operations.replay import ReplayOptions
from signalbox_operations.replay.renewal import GUARDS, renewed, retyped

SCORED = RecordType("sdr.LeadScored")
NOTHING = ReplayOptions()


def sent(message):
    return Envelope.parse(message.draft.headers)


def test_a_replay_has_an_id_of_its_own_and_the_dead_letters_id_as_its_cause(dead_letter, envelope):
    message = renewed(dead_letter(), NOTHING, SCORED, b"bytes")
    assert sent(message).id == replay_id("agent_messages_dlt", 3, 17)
    assert sent(message).causation_id == "m-1"
    assert sent(message).correlation_id == envelope.correlation_id
    assert (message.draft.topic, message.draft.key, message.draft.value) == (
        "agent_messages",
        b"lead-1",
        b"bytes",
    )
    assert message.draft.partition is None


def test_a_replay_keeps_other_headers_and_drops_those_of_the_dead_letter(dead_letter):
    names = [name for name, _ in renewed(dead_letter(), NOTHING, SCORED, b"").draft.headers]
    assert "mark" in names
    assert not [name for name in names if name.startswith("dl_")]
    assert len(names) == len(set(names))


def test_counters_go_on_when_no_guard_was_the_reason(dead_letter, envelope):
    message = renewed(dead_letter(), NOTHING, SCORED, b"")
    assert not message.fresh
    same = (envelope.hop, envelope.tokens, envelope.visits, envelope.workflow_time)
    renewed_as = sent(message)
    assert (renewed_as.hop, renewed_as.tokens, renewed_as.visits, renewed_as.workflow_time) == same


@pytest.mark.parametrize("reason", sorted(GUARDS))
def test_counters_start_afresh_when_a_guard_was_the_reason(dead_letter, reason):
    message = renewed(dead_letter(reason), NOTHING, SCORED, b"")
    assert message.fresh
    assert (sent(message).hop, sent(message).tokens, sent(message).visits) == (0, 0, {})
    assert datetime.now(UTC) - sent(message).workflow_time < timedelta(minutes=1)


def test_counters_start_afresh_when_the_operator_says_so(dead_letter):
    assert sent(renewed(dead_letter(), ReplayOptions(fresh=True), SCORED, b"")).hop == 0


def test_missing_headers_are_completed_from_a_given_key(dead_letter):
    bare = dead_letter(Reason.HEADER_INVALID, headers=(("mark", b"x"),), key=None)
    message = renewed(bare, ReplayOptions(key=b"lead-9"), SCORED, b"")
    assert message.draft.key == b"lead-9"
    assert sent(message).correlation_id == correlation_id_of(LeadId("lead-9"))
    assert sent(message).type == SCORED
    assert sent(message).causation_id == "agent_messages/3/40"  # it had no id: its position stands for it
    assert "ce_correlationid" in message.completed
    assert "ce_id" not in message.completed


def test_malformed_headers_are_replaced_and_good_ones_kept(dead_letter, envelope):
    bad = tuple((name, b"-1" if name == "ce_hop" else value) for name, value in envelope.headers())
    message = renewed(
        dead_letter(Reason.HEADER_INVALID, headers=bad), ReplayOptions(key=b"lead-1"), SCORED, b""
    )
    assert message.completed == ("ce_hop",)
    assert (sent(message).hop, sent(message).source) == (0, "lead_scoring")


def test_a_given_header_takes_the_place_of_each_that_has_its_name(dead_letter, envelope):
    twice = (*envelope.headers(), ("ce_type", b"sdr.LeadProfiled"))
    message = renewed(dead_letter(headers=twice), ReplayOptions(headers={"ce_type": SCORED}), SCORED, b"")
    assert [value for name, value in message.draft.headers if name == "ce_type"] == [b"sdr.LeadScored"]


def test_a_given_header_is_sent_as_it_was_given_so_that_the_gate_judges_it(dead_letter):
    message = renewed(dead_letter(), ReplayOptions(headers={"ce_hop": "-1"}), SCORED, b"")
    assert dict(message.draft.headers)["ce_hop"] == b"-1"


def test_the_id_of_a_replay_can_not_be_given(dead_letter):
    given = {"ce_id": "m-9", "replay_of": "agent_messages_dlt/0/0", "ce_causationid": "m-8"}
    message = renewed(dead_letter(), ReplayOptions(headers=given), SCORED, b"")
    assert (sent(message).id, sent(message).causation_id) == (replay_id("agent_messages_dlt", 3, 17), "m-1")
    assert dict(message.draft.headers)["replay_of"] == b"agent_messages_dlt/3/17"


def test_without_a_word_of_the_operator_no_header_is_completed(dead_letter):
    message = renewed(dead_letter(Reason.HEADER_INVALID, headers=()), NOTHING, SCORED, b"")
    assert message.completed == ()
    assert [name for name, _ in message.draft.headers] == ["ce_id", "replay_of", "ce_causationid"]


def test_a_replay_names_its_dead_letter(dead_letter):
    assert (
        dict(renewed(dead_letter(), NOTHING, SCORED, b"").draft.headers)["replay_of"]
        == b"agent_messages_dlt/3/17"
    )


def test_a_lead_goes_back_to_intake_with_an_id_and_a_cause_and_nothing_else(dead_letter):
    bare = dead_letter(topic="incoming_leads", headers=())
    message = renewed(bare, ReplayOptions(key=b"lead-1"), None, b"")
    assert message.draft.topic == "incoming_leads"
    assert dict(message.draft.headers) == {
        "ce_id": replay_id("incoming_leads_dlt", 3, 17).encode(),
        "ce_causationid": b"incoming_leads/3/40",
    }


def test_a_route_that_comes_back_still_belongs_to_its_message(dead_letter, envelope):
    route = (*envelope.headers(), ("ce_causationid", b"decided-on"))
    message = renewed(dead_letter(topic="agent_routes", headers=route), NOTHING, None, b"")
    assert sent(message).causation_id == "decided-on"


def test_an_edited_records_type_is_said_where_a_type_was_said():
    assert retyped((("ce_type", b"a.B"), ("x", None)), SCORED) == (("x", None), ("ce_type", SCORED.encode()))
    assert retyped((("x", None),), SCORED) == (("x", None),)


def test_a_key_that_is_no_text_leaves_the_correlation_to_the_gate(dead_letter):
    bare = dead_letter(Reason.HEADER_INVALID, headers=())
    message = renewed(bare, ReplayOptions(key=b"\xff", headers={"mark": "x"}), SCORED, b"")
    assert message.draft.key == b"\xff"
    assert "ce_correlationid" not in dict(message.draft.headers)
    assert "ce_type" in message.completed


def test_half_a_surrogate_pair_in_a_given_header_is_sent_for_the_gate_to_judge(dead_letter):
    message = renewed(dead_letter(), ReplayOptions(headers={"mark": "\ud800"}), SCORED, b"")
    assert dict(message.draft.headers)["mark"] == b"\xed\xa0\x80"


def test_times_that_are_given_are_written_as_every_header_writes_them(dead_letter):
    bare = dead_letter(Reason.HEADER_INVALID, headers=())
    headers = dict(renewed(bare, ReplayOptions(key=b"lead-9"), SCORED, b"").draft.headers)
    for name in ("ce_time", "ce_workflowtime"):
        assert re.fullmatch(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", headers[name])


def test_completed_headers_say_what_sends_them_and_that_the_value_is_avro(dead_letter):
    bare = dead_letter(Reason.HEADER_INVALID, headers=(("mark", b"x"), ("ce_hop", b"-1")))
    message = renewed(bare, ReplayOptions(key=b"lead-9"), SCORED, b"")
    assert message.completed == (
        "ce_correlationid",
        "ce_hop",
        "ce_source",
        "ce_specversion",
        "ce_time",
        "ce_type",
        "ce_workflowtime",
        "content-type",
    )
    headers = dict(message.draft.headers)
    assert (headers["ce_source"], headers["ce_specversion"], headers["content-type"]) == (
        b"dead-letters",
        b"1.0",
        b"application/avro",
    )
