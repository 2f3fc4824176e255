import json
import random
import time as clock
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from console.answers import Stats
from console.queries import DeadLetterFilter, DeadLetterState, Queries
from console.waiting import StallDetector
from signalbox.protocol.envelope import Envelope, correlation_id_of, replay_id
from signalbox.protocol.lesser_dead_letters import lesser_dead_letters
from signalbox.protocol.names import LeadId
from signalbox.protocol.records import Draft, Record


async def test_a_lead_that_goes_all_the_way_is_scheduled_and_its_timeline_tells_each_step(views, paper):
    paper.scheduled("lead-1")
    await views.show(*paper.records)
    assert views.status("lead-1") == "scheduled"
    handled = ["gated", "routed", "handled"]
    assert views.stages("lead-1") == ["captured", *handled, *handled, *handled, "scheduled"]


async def test_a_routed_entry_has_candidates_reason_and_model_and_a_handled_entry_what_was_given(
    views, paper
):
    profiled = paper.handled(paper.captured("lead-1"), "lead_ingestion", "sdr.LeadProfiled")
    queries = await views.show(*paper.records)
    timeline = {entry.stage.value: entry for entry in queries.lead("lead-1").timeline}
    assert timeline["routed"].agent == "lead_ingestion"
    assert "lead_ingestion" in timeline["routed"].detail["candidates"]
    assert timeline["routed"].detail["reason"] == "because"
    assert timeline["routed"].detail["model"] == "offline"
    assert timeline["handled"].message_id == timeline["routed"].message_id == timeline["captured"].message_id
    given = [{"record_type": "sdr.LeadProfiled", "message_id": Envelope.parse(profiled.headers).id}]
    assert timeline["handled"].detail["gave"] == given


async def test_a_lead_is_in_flight_until_each_of_its_messages_has_an_outcome(views, paper):
    captured = paper.captured("lead-1")
    await views.show(*paper.records)
    assert views.status("lead-1") == "in_flight"
    await views.show(paper.decided(captured, "lead_ingestion", "routed"))
    assert views.status("lead-1") == "in_flight"
    answer = paper.answered(captured, "lead_ingestion", "sdr.LeadProfiled")
    await views.show(answer)
    assert views.status("lead-1") == "in_flight"
    await views.show(paper.decided(answer, None, "ended"))
    assert views.status("lead-1") == "ended"
    assert views.stages("lead-1")[-2:] == ["gated", "ended"]


async def test_another_agents_answer_does_not_settle_a_routed_message(views, paper):
    captured = paper.captured("lead-1")
    paper.decided(captured, "lead_ingestion", "routed")
    foreign = paper.answered(captured, "stranger", "sdr.LeadProfiled")
    paper.decided(foreign, None, "ended")
    await views.show(*paper.records)
    assert views.status("lead-1") == "in_flight"


async def test_a_reroute_settles_the_first_decision_and_shows_who_refused(views, paper):
    captured = paper.captured("lead-1")
    paper.decided(captured, "rival", "routed")
    paper.decided(captured, "lead_ingestion", "rerouted", excluded=["rival"])
    await views.show(*paper.records)
    assert views.status("lead-1") == "in_flight"
    answer = paper.answered(captured, "lead_ingestion", "sdr.LeadProfiled")
    paper.decided(answer, None, "ended")
    queries = await views.show(*paper.records)
    assert views.status("lead-1") == "ended"
    routed = [entry for entry in queries.lead("lead-1").timeline if entry.stage == "routed"]
    assert [(entry.agent, entry.detail["refused_by"]) for entry in routed] == [("lead_ingestion", ["rival"])]
    assert queries.stats().llm_calls == 2


async def test_of_two_decisions_with_one_id_the_first_counts(views, paper):
    captured = paper.captured("lead-1")
    paper.decided(captured, "lead_ingestion", "routed", model_calls=3)
    paper.decided(captured, "rival", "routed", model_calls=4)
    paper.decided(paper.answered(captured, "lead_ingestion", "sdr.LeadProfiled"), None, "ended")
    queries = await views.show(*reversed(paper.records))
    assert views.status("lead-1") == "ended"
    assert queries.stats().llm_calls == 3


@pytest.mark.parametrize("named", [True, False], ids=["by its header", "by its value"])
async def test_a_reroute_comes_after_the_first_decision_whatever_the_clocks_say(views, paper, named):
    captured = paper.captured("lead-1")
    rerouted = paper.decided(captured, "lead_ingestion", "rerouted", excluded=["rival"])
    if not named:
        headers = tuple(pair for pair in rerouted.headers if pair[0] != "route_outcome")
        paper.records[-1] = replace(rerouted, headers=headers)
    paper.decided(captured, "rival", "routed")
    paper.decided(paper.answered(captured, "lead_ingestion", "sdr.LeadProfiled"), None, "ended")
    await views.show(*paper.records)
    assert views.status("lead-1") == "ended"


@pytest.mark.parametrize(
    ("stage", "stages"),
    [("gate", ["captured", "dead_lettered"]), ("router", ["captured", "gated", "dead_lettered"])],
)
async def test_a_dead_letter_makes_its_lead_dead_lettered(views, paper, stage, stages):
    dead_letter = paper.rejected(paper.captured("lead-1"), "MALFORMED", stage, detail="cut off", field="lead")
    queries = await views.show(*paper.records)
    assert views.status("lead-1") == "dead_lettered"
    assert views.stages("lead-1") == stages
    detail = queries.lead("lead-1").timeline[-1].detail
    assert (detail["reason"], detail["detail"], detail["field"]) == ("MALFORMED", "cut off", "lead")
    assert (detail["topic"], detail["offset"]) == (dead_letter.topic, dead_letter.offset)


async def test_a_dispatch_failure_names_the_agent_and_outranks_a_schedule(views, paper):
    paper.scheduled("lead-1")
    message = next(record for record in paper.records if record.topic == "agent_messages")
    paper.rejected(message, "AGENT_FAILED", "dispatch")
    queries = await views.show(*paper.records)
    assert views.status("lead-1") == "dead_lettered"
    dead = [entry for entry in queries.lead("lead-1").timeline if entry.stage == "dead_lettered"]
    assert [entry.agent for entry in dead] == ["lead_ingestion"]


async def test_a_lead_with_a_dead_letter_is_in_flight_as_long_as_another_message_is(views, paper):
    captured = paper.captured("lead-1")
    profiled = paper.handled(captured, "lead_ingestion", "sdr.LeadProfiled")
    scored = paper.answered(captured, "lead_ingestion", "sdr.LeadScored")
    paper.rejected(scored, "RULE_VIOLATED", "gate")
    await views.show(*paper.records)
    assert views.status("lead-1") == "in_flight"
    await views.show(paper.decided(profiled, None, "ended"))
    assert views.status("lead-1") == "dead_lettered"


async def test_only_a_dead_letter_of_dispatch_names_the_agent(views, paper):
    captured = paper.captured("lead-1")
    paper.decided(captured, "lead_ingestion", "routed")
    paper.rejected(captured, "HOP_LIMIT", "guard")
    queries = await views.show(*paper.records)
    [dead] = [entry for entry in queries.lead("lead-1").timeline if entry.stage == "dead_lettered"]
    assert dead.agent is None


async def test_a_dead_letter_without_its_messages_id_is_known_by_its_place(views, paper):
    captured = paper.captured("lead-1")
    dead_letter = paper.rejected(captured, "MALFORMED", "gate")
    less = replace(dead_letter, headers=tuple(pair for pair in dead_letter.headers if pair[0] != "ce_id"))
    await views.show(*paper.records[:-1], less)
    assert views.status("lead-1") == "dead_lettered"


@pytest.mark.parametrize("step", [0, 1, 2])
async def test_a_dead_letter_that_leaves_out_what_it_can_is_still_its_leads(views, paper, step):
    dead_letter = paper.rejected(paper.captured("lead-1"), "RECORD_TOO_LARGE", "gate")
    whole = Draft(dead_letter.topic, dead_letter.key, dead_letter.value, dead_letter.headers)
    less = lesser_dead_letters(whole, "")[step]
    await views.show(
        *paper.records[:-1], replace(dead_letter, key=less.key, value=less.value, headers=less.headers)
    )
    assert views.status("lead-1") == "dead_lettered"
    [listed] = views.queries.dead_letters().dead_letters
    assert listed.lead_id == "lead-1"


async def test_a_dead_letter_of_one_delivery_is_the_outcome_of_each(views, paper):
    captured = paper.captured("lead-1")
    paper.write("agent_messages", captured.key, captured.value, captured.headers)
    paper.rejected(captured, "MALFORMED", "gate")
    await views.show(*paper.records)
    assert views.status("lead-1") == "dead_lettered"


async def test_what_happens_in_one_millisecond_is_told_in_the_order_of_its_causes(views, paper):
    paper.stop_the_clock()
    paper.scheduled("lead-1")
    await views.show(*paper.records)
    handled = ["gated", "routed", "handled"]
    assert views.stages("lead-1") == ["captured", *handled, *handled, *handled, "scheduled"]


async def test_a_lead_was_updated_when_its_last_step_happened(views, paper):
    paper.scheduled("lead-1")
    queries = await views.show(*paper.records)
    [listed] = queries.leads().leads
    assert listed.updated_at == queries.lead("lead-1").timeline[-1].at


async def test_a_message_is_handled_when_its_first_answer_is_there(views, paper):
    captured = paper.captured("lead-1")
    first = paper.handled(captured, "lead_ingestion", "sdr.LeadProfiled")
    second = paper.answered(captured, "lead_ingestion", "sdr.LeadScored")
    queries = await views.show(*paper.records)
    [handled] = [entry for entry in queries.lead("lead-1").timeline if entry.stage == "handled"]
    assert handled.at == Envelope.parse(first.headers).time
    given = [one["message_id"] for one in handled.detail["gave"]]
    assert given == [Envelope.parse(answer.headers).id for answer in (first, second)]


async def test_a_time_without_a_zone_says_nothing_so_the_records_own_counts(views, paper):
    captured = paper.captured("lead-1")
    headers = {**dict(captured.headers), "ce_time": b"2020-01-01T00:00:00"}
    queries = await views.show(paper.records[0], replace(captured, headers=tuple(headers.items())))
    [listed] = queries.leads().leads
    assert listed.captured_at.timestamp() * 1000 == captured.timestamp_ms


async def test_a_replay_reopens_its_lead_and_its_end_counts(views, paper):
    dead_letter = paper.rejected(paper.captured("lead-1"), "RULE_VIOLATED", "gate")
    again = paper.replayed(dead_letter)
    await views.show(*paper.records)
    assert views.status("lead-1") == "in_flight"
    await views.show(paper.decided(again, None, "terminal"))
    assert views.status("lead-1") == "scheduled"
    assert views.stages("lead-1") == ["captured", "dead_lettered", "replayed", "scheduled"]


async def test_a_replay_is_no_answer_of_the_agent_that_failed(views, paper):
    captured = paper.captured("lead-1")
    profiled = paper.handled(captured, "lead_ingestion", "sdr.LeadProfiled")
    paper.decided(profiled, "lead_scoring", "routed")
    paper.replayed(paper.rejected(profiled, "AGENT_FAILED", "dispatch"))
    await views.show(*paper.records)
    assert views.stages("lead-1").count("handled") == 1


async def test_a_discard_ends_the_lead(views, paper):
    dead_letter = paper.rejected(paper.captured("lead-1"), "MALFORMED", "gate")
    paper.discarded(dead_letter)
    queries = await views.show(*paper.records)
    assert views.status("lead-1") == "ended"
    assert views.stages("lead-1") == ["captured", "dead_lettered", "discarded"]
    assert queries.lead("lead-1").timeline[-1].detail["who"] == "ops"


async def test_a_replay_counts_more_than_a_discard(views, paper):
    dead_letter = paper.rejected(paper.captured("lead-1"), "MALFORMED", "gate")
    paper.discarded(dead_letter)
    paper.replayed(dead_letter)
    queries = await views.show(*paper.records)
    assert [one.state for one in queries.dead_letters().dead_letters] == ["replayed"]
    assert views.status("lead-1") == "in_flight"


async def test_of_two_discards_the_first_counts(views, paper):
    dead_letter = paper.rejected(paper.captured("lead-1"), "MALFORMED", "gate")
    first, second = paper.discarded(dead_letter), paper.discarded(dead_letter)
    queries = await views.show(*paper.records[:-2], second, first)
    [listed] = queries.dead_letters().dead_letters
    assert listed.closed_at.isoformat().encode() == dict(first.headers)["ce_time"]


async def test_a_discard_that_is_read_later_ends_the_lead_in_the_lists_too(views, paper):
    dead_letter = paper.rejected(paper.captured("lead-1"), "MALFORMED", "gate")
    queries = await views.show(*paper.records)
    assert queries.stats().dead_lettered == 1
    await views.show(paper.discarded(dead_letter))
    assert (queries.stats().dead_lettered, queries.stats().ended) == (0, 1)


async def test_a_copy_of_a_dead_letter_is_closed_with_it(views, paper):
    captured = paper.captured("lead-1")
    dead_letter = paper.rejected(captured, "MALFORMED", "gate", model_calls=2)
    paper.rejected(captured, "MALFORMED", "gate", model_calls=2)
    paper.discarded(dead_letter)
    queries = await views.show(*paper.records)
    assert views.status("lead-1") == "ended"
    assert queries.stats().rejected_before_llm == 1
    assert queries.stats().llm_calls == 2


async def test_a_dead_letter_and_its_copy_are_one_step_at_the_place_of_the_first(views, paper):
    captured = paper.captured("lead-1")
    first = paper.rejected(captured, "MALFORMED", "gate")
    paper.rejected(captured, "MALFORMED", "gate")
    queries = await views.show(*paper.records)
    assert views.stages("lead-1") == ["captured", "dead_lettered"]
    assert queries.lead("lead-1").timeline[-1].detail["offset"] == first.offset


async def test_a_lead_that_is_refused_at_intake_twice_over_counts_once(views, paper):
    refused = paper.incoming("lead-1")
    paper.rejected(refused, "NOT_FRAMED", "intake")
    paper.rejected(refused, "NOT_FRAMED", "intake")
    queries = await views.show(*paper.records)
    assert queries.stats() == _stats(refused_at_intake=1, rejected_before_llm=1)


@pytest.mark.parametrize("key", [b"lead-1", None], ids=["with its key", "without its key"])
async def test_a_lead_that_was_listed_before_its_refusal_was_read_is_listed_no_more(views, paper, key):
    refused = paper.incoming("lead-1")
    paper.taken_in(refused)
    queries = await views.show(*paper.records)
    assert queries.stats() == _stats(captured=1, in_flight=1)
    await views.show(replace(paper.rejected(refused, "RULE_VIOLATED", "intake"), key=key))
    assert queries.stats() == _stats(unattributed=1, refused_at_intake=1, rejected_before_llm=1)
    assert queries.leads().leads == []


async def test_a_replay_under_another_id_is_a_lead_even_when_its_dead_letter_is_read_last(views, paper):
    dead_letter = paper.rejected(paper.incoming("lead-1"), "CONFLICT", "intake")
    replay = replay_id(dead_letter.topic, dead_letter.partition, dead_letter.offset)
    taken_in = paper.taken_in(paper.incoming("lead-2", [("ce_id", replay.encode())]))
    queries = await views.show(taken_in)
    assert queries.stats().captured == 0
    await views.show(dead_letter)
    assert [lead.lead_id for lead in queries.leads().leads] == ["lead-2"]


async def test_a_replay_of_what_intake_never_took_in_starts_no_lead(views, paper):
    posing = paper.captured("lead-1")
    again = paper.replayed(paper.rejected(posing, "RULE_VIOLATED", "gate"))
    assert Envelope.parse(again.headers).hop == 0
    queries = await views.show(*[record for record in paper.records if record.topic != "incoming_leads"])
    assert queries.stats() == _stats(unattributed=2, rejected_before_llm=1)


@pytest.mark.parametrize("other", [{"ce_hop": b"1"}, {"ce_correlationid": b"elsewhere"}], ids=str)
async def test_only_intakes_own_copy_of_a_lead_starts_its_workflow(views, paper, other):
    copy = paper.captured("lead-1")
    changed = replace(copy, headers=tuple({**dict(copy.headers), **other}.items()))
    queries = await views.show(paper.records[0], changed)
    assert queries.stats() == _stats(unattributed=1)
    await views.show(replace(copy, offset=copy.offset + 1))
    assert queries.stats().captured == 1


async def test_a_lead_refused_at_intake_is_counted_apart_and_still_has_its_page(views, paper):
    paper.rejected(paper.incoming("lead-1"), "RULE_VIOLATED", "intake", field="lead.email")
    queries = await views.show(*paper.records)
    assert queries.stats() == _stats(refused_at_intake=1, rejected_before_llm=1)
    assert queries.leads().leads == []
    assert (views.status("lead-1"), views.stages("lead-1")) == ("dead_lettered", ["dead_lettered"])


async def test_a_refused_lead_that_is_replayed_and_passes_is_captured(views, paper):
    dead_letter = paper.rejected(paper.incoming("lead-1"), "RULE_VIOLATED", "intake")
    replay = replay_id(dead_letter.topic, dead_letter.partition, dead_letter.offset)
    again = paper.incoming("lead-1", [("ce_id", replay.encode())])
    await views.show(*paper.records)
    assert views.status("lead-1") == "in_flight"
    paper.decided(paper.taken_in(again), None, "ended")
    queries = await views.show(*paper.records)
    assert queries.stats() == _stats(captured=1, ended=1, rejected_before_llm=1)
    assert views.stages("lead-1") == ["dead_lettered", "replayed", "captured", "gated", "ended"]


@pytest.mark.parametrize("reason", ["CONFLICT", "MALFORMED", "HEADER_INVALID"])
@pytest.mark.parametrize("stage_of_the_lead", ["in_flight", "scheduled", "ended", "dead_lettered"])
async def test_what_intake_refuses_under_a_leads_id_changes_nothing_of_that_lead(
    views, paper, reason, stage_of_the_lead
):
    real = paper.captured("lead-1")
    dead_letter = None
    match stage_of_the_lead:
        case "scheduled":
            drafted = paper.handled(real, "active_outreach", "sdr.CampaignDrafted")
            last = paper.handled(drafted, "send_email", "sdr.CampaignScheduled")
            paper.decided(last, None, "terminal")
        case "ended":
            paper.decided(real, None, "ended")
        case "dead_lettered":
            dead_letter = paper.rejected(real, "RULE_VIOLATED", "gate")
    before = await views.show(*paper.records)
    stats, lead = before.stats(), before.lead("lead-1")
    assert lead.status.value == stage_of_the_lead

    # Its id, its message id, and the ids of its replays: anybody can know or derive them.
    ids = [Envelope.parse(real.headers).id, "other", replay_id("incoming_leads_dlt", 0, 0)]
    if dead_letter is not None:
        ids.append(replay_id(dead_letter.topic, dead_letter.partition, dead_letter.offset))
    refused = []
    for one in ids:
        forged = paper.incoming("lead-1", [("ce_id", one.encode())])
        refused.append(paper.rejected(forged, reason, "intake"))
    queries = await views.show(*paper.records)
    after = queries.lead("lead-1")
    assert (after.status, after.timeline, after.stalled) == (lead.status, lead.timeline, lead.stalled)
    assert queries.stats().dead_lettered == stats.dead_lettered
    assert queries.stats().captured == 1

    # Nor does what an operator does with them.
    paper.replay_audited(refused[0])
    paper.discarded(refused[1])
    queries = await views.show(*paper.records)
    after = queries.lead("lead-1")
    assert (after.status, after.timeline) == (lead.status, lead.timeline)


async def test_a_replay_to_intake_that_is_on_its_way_changes_no_lead_under_its_id(views, paper):
    paper.decided(paper.captured("lead-1"), None, "ended")
    dead_letter = paper.rejected(paper.incoming("lead-1"), "CONFLICT", "intake")
    paper.replay_audited(dead_letter)
    queries = await views.show(*paper.records)
    assert views.status("lead-1") == "ended"
    assert queries.stats() == _stats(captured=1, ended=1, rejected_before_llm=1)


async def test_a_conflict_counts_as_refused_at_intake_only(views, paper):
    paper.captured("lead-1")
    paper.rejected(paper.incoming("lead-1"), "CONFLICT", "intake")
    queries = await views.show(*paper.records)
    assert queries.stats() == _stats(captured=1, in_flight=1, refused_at_intake=1, rejected_before_llm=1)
    [listed] = queries.dead_letters(reason="CONFLICT").dead_letters
    assert listed.lead_id == "lead-1"


async def test_another_lead_with_the_id_of_a_replay_is_no_replay(views, paper):
    dead_letter = paper.rejected(paper.captured("lead-1"), "RULE_VIOLATED", "gate")
    forged = replay_id(dead_letter.topic, dead_letter.partition, dead_letter.offset)
    paper.taken_in(paper.incoming("lead-2", [("ce_id", forged.encode())]))
    await views.show(*paper.records)
    assert views.status("lead-1") == "dead_lettered"
    paper.replayed(dead_letter)
    await views.show(*paper.records)
    assert views.status("lead-1") == "in_flight"


async def test_a_lead_that_nothing_was_heard_of_is_unknown(views, paper):
    queries = await views.show(paper.incoming("lead-1"))
    assert queries.lead("lead-1") is None


async def test_what_was_never_taken_in_is_unattributed_and_counts_once_with_its_dead_letter(views, paper):
    def hostile(*headers: tuple[str, bytes | None]) -> Record:
        return paper.write("agent_messages", b"nobody", b"\x00\x00", headers)

    workflow = correlation_id_of(LeadId("nobody")).encode()
    poses = (("ce_type", b"sdr.LeadCaptured"), ("ce_hop", b"0"), ("ce_correlationid", workflow))
    for record in [
        hostile(),
        hostile(("ce_id", b"\xff"), ("ce_correlationid", b"elsewhere")),
        hostile(("ce_id", b"mine"), *poses),
        hostile(("ce_id", b"mine"), *poses),
    ]:
        paper.rejected(record, "HEADER_INVALID", "gate")
    queries = await views.show(*paper.records)
    assert queries.stats() == _stats(unattributed=4, rejected_before_llm=4)


async def test_a_dead_letter_whose_message_is_gone_from_its_topic_is_still_counted(views, paper):
    dead_letter = paper.rejected(paper.write("agent_messages", None, None), "NOT_FRAMED", "gate")
    queries = await views.show(dead_letter)
    assert queries.stats() == _stats(unattributed=1, rejected_before_llm=1)


async def test_a_replay_that_the_audit_tells_of_before_its_message_was_read_is_in_flight(views, paper):
    dead_letter = paper.rejected(paper.captured("lead-1"), "RULE_VIOLATED", "gate")
    paper.replay_audited(dead_letter)
    await views.show(*paper.records)
    assert views.status("lead-1") == "in_flight"
    again = paper.replayed(dead_letter)
    paper.decided(again, None, "ended")
    await views.show(*paper.records[-2:])
    assert views.status("lead-1") == "ended"


async def test_a_replay_says_in_the_timeline_and_in_the_list_who_sent_it_and_why(views, paper):
    dead_letter = paper.rejected(paper.captured("lead-1"), "RULE_VIOLATED", "gate")
    paper.replayed(dead_letter)
    queries = await views.show(*paper.records)
    [listed] = queries.dead_letters().dead_letters
    assert (listed.state, listed.closed_by) == ("replayed", "")
    await views.show(paper.replay_audited(dead_letter))
    [listed] = queries.dead_letters().dead_letters
    assert (listed.state, listed.closed_by, listed.closed_why) == ("replayed", "ops", "mended")
    [step] = [step for step in queries.lead("lead-1").timeline if step.stage == "replayed"]
    assert (step.detail["who"], step.detail["reason"]) == ("ops", "mended")


async def test_each_step_of_a_lead_tells_all_that_is_known_of_it(views, paper):
    captured = paper.captured("lead-1")
    paper.decided(captured, "rival", "routed")
    paper.decided(captured, "lead_ingestion", "rerouted", excluded=["rival"], reason="it fits", model_calls=2)
    profiled = paper.answered(captured, "lead_ingestion", "sdr.LeadProfiled")
    paper.decided(profiled, None, "ended", reason="no one takes it")
    scored = paper.answered(captured, "lead_ingestion", "sdr.LeadScored")
    dead_letter = paper.rejected(scored, "HOP_LIMIT", "guard", detail="too far", field="ce_hop")
    paper.replay_audited(dead_letter)
    paper.discarded(dead_letter)
    queries = await views.show(*paper.records)
    candidates = ["lead_ingestion", "lead_scoring", "send_email", "rival"]
    place = {"topic": "agent_messages_dlt", "partition": 0, "offset": 0}
    ids = [Envelope.parse(record.headers).id for record in (captured, profiled, scored)]
    gave = [
        {"record_type": "sdr.LeadProfiled", "message_id": ids[1]},
        {"record_type": "sdr.LeadScored", "message_id": ids[2]},
    ]
    why = {"reason": "HOP_LIMIT", "detail": "too far", "field": "ce_hop", "stage": "guard"}
    decided = {"candidates": candidates, "reason": "it fits", "model": "offline", "model_calls": 2}
    ended = {"candidates": [], "reason": "no one takes it", "model": "", "model_calls": 0}
    replayed = {"replay_id": replay_id("agent_messages_dlt", 0, 0), "who": "ops", "reason": "mended"}
    agent, types = "lead_ingestion", ("sdr.LeadCaptured", "sdr.LeadProfiled", "sdr.LeadScored")
    told = [
        ("captured", 0, None, {"source": "intake"}),
        ("gated", 0, None, {}),
        ("routed", 0, agent, {**decided, "refused_by": ["rival"]}),
        ("handled", 0, agent, {"gave": gave}),
        ("gated", 1, None, {}),
        ("ended", 1, None, ended),
        ("gated", 2, None, {}),
        ("dead_lettered", 2, None, why | place),
        ("replayed", 2, None, replayed | place),
        ("discarded", 2, None, {"who": "ops", "reason": "not worth it"} | place),
    ]
    timeline = [
        (one.stage.value, one.message_id, one.record_type, one.agent, one.detail)
        for one in queries.lead("lead-1").timeline
    ]
    assert sorted(timeline, key=str) == sorted(
        ((stage, ids[of], types[of], by, detail) for stage, of, by, detail in told), key=str
    )


async def test_a_replay_that_no_audit_tells_of_says_its_id_and_where_its_dead_letter_lies(views, paper):
    dead_letter = paper.rejected(paper.captured("lead-1"), "RULE_VIOLATED", "gate")
    paper.replayed(dead_letter)
    queries = await views.show(*paper.records)
    [step] = [step for step in queries.lead("lead-1").timeline if step.stage == "replayed"]
    assert step.detail == {
        "replay_id": replay_id("agent_messages_dlt", 0, 0),
        "topic": "agent_messages_dlt",
        "partition": 0,
        "offset": 0,
    }


async def test_the_last_step_of_a_schedule_says_why_it_is_the_last(views, paper):
    paper.scheduled("lead-1")
    queries = await views.show(*paper.records)
    last = queries.lead("lead-1").timeline[-1]
    assert (last.stage, last.agent, last.detail) == (
        "scheduled",
        None,
        {"reason": "terminal: sdr.CampaignScheduled"},
    )


async def test_dead_letters_are_found_by_state_topic_agent_contract_and_time(views, paper):
    scored = paper.answered(paper.captured("lead-1"), "lead_scoring", "sdr.LeadScored")
    by_scorer = paper.rejected(scored, "RULE_VIOLATED", "gate")
    routed = paper.captured("lead-2")
    paper.decided(routed, "lead_ingestion", "routed")
    by_ingestion = paper.rejected(routed, "AGENT_FAILED", "dispatch")
    at_intake = paper.rejected(paper.incoming("lead-3"), "NOT_FRAMED", "intake")
    replayed = paper.rejected(paper.captured("lead-4"), "MALFORMED", "gate")
    paper.replayed(replayed)
    discarded = paper.rejected(paper.captured("lead-5"), "MALFORMED", "gate")
    paper.discarded(discarded)
    queries = await views.show(*paper.records)

    def found(**wanted):
        page = queries.dead_letters(wanted=DeadLetterFilter(**wanted))
        return {(dead_letter.topic, dead_letter.offset) for dead_letter in page.dead_letters}

    def places(*dead_letters):
        return {(dead_letter.topic, dead_letter.offset) for dead_letter in dead_letters}

    assert found(state=DeadLetterState.OPEN) == places(by_scorer, by_ingestion, at_intake)
    assert found(state=DeadLetterState.REPLAYED) == found(state=DeadLetterState.UNAUDITED) == places(replayed)
    assert found(state=DeadLetterState.DISCARDED) == places(discarded)
    assert found(topic="incoming_leads") == found(topic="incoming_leads_dlt") == places(at_intake)
    assert found(agent="lead_scoring") == places(by_scorer)
    assert found(agent="lead_ingestion") == places(by_ingestion)
    assert found(contract="sdr.LeadScored") == places(by_scorer)
    assert at_intake.offset in {offset for _, offset in found(contract="sdr.LeadCaptured")}
    assert found(since=discarded.timestamp_ms - 1000) == places(discarded)
    await views.show(paper.replay_audited(replayed))
    assert found(state=DeadLetterState.UNAUDITED) == set()


async def test_a_dead_letter_of_dispatch_is_found_by_the_agent_that_was_to_take_it_alone(views, paper):
    failed = {}
    for agent in ("lead_ingestion", "lead_scoring"):
        message = paper.captured(f"lead-of-{agent}")
        paper.decided(message, agent, "routed")
        failed[agent] = paper.rejected(message, "AGENT_FAILED", "dispatch").offset
    queries = await views.show(*paper.records)
    for agent, offset in failed.items():
        page = queries.dead_letters(wanted=DeadLetterFilter(agent=agent))
        assert [dead_letter.offset for dead_letter in page.dead_letters] == [offset]


async def test_a_redelivered_message_needs_no_second_outcome(views, paper):
    captured = paper.captured("lead-1")
    paper.decided(captured, None, "ended")
    paper.write("agent_messages", captured.key, captured.value, captured.headers)
    queries = await views.show(*paper.records)
    assert views.status("lead-1") == "ended"
    assert views.stages("lead-1") == ["captured", "gated", "ended"]
    assert queries.stats() == _stats(captured=1, ended=1)


async def test_a_redelivered_unattributed_message_is_one_message(views, paper):
    headers = (("ce_id", b"m"), ("ce_correlationid", b"w"))
    paper.write("agent_messages", b"k", b"v", headers)
    paper.write("agent_messages", b"k", b"v", headers)
    queries = await views.show(*paper.records)
    assert queries.stats().unattributed == 1


async def test_a_decision_that_does_not_decode_still_counts_by_its_headers(views, paper):
    captured = paper.captured("lead-1")
    decision = paper.decided(captured, None, "ended")
    paper.records[-1] = replace(decision, value=b"\x00\x00\x00\x00\xffrubbish")
    await views.show(*paper.records)
    assert views.status("lead-1") == "ended"


async def test_a_captured_lead_whose_value_is_another_record_is_listed_without_content(views, paper):
    captured = paper.captured("lead-1")
    value = paper.registry.framed("sdr.CampaignScheduled", **_CAMPAIGN)
    paper.records[-1] = replace(captured, value=value)
    queries = await views.show(*paper.records)
    assert queries.lead("lead-1").lead is None


async def test_lists_hold_no_personal_data_and_the_leads_own_page_does(views, paper):
    paper.scheduled("lead-1")
    queries = await views.show(*paper.records)
    listed = queries.leads().model_dump_json()
    assert "Widgets & Co" in listed
    assert "zoe@" not in listed
    assert "Zoë" not in listed
    assert queries.lead("lead-1").lead["email"] == "zoe@widgets.example"


async def test_lists_hide_what_the_leads_own_contract_tags_as_personal_data(views, paper):
    paper.captured("lead-1")
    schema_id = views.registry.ids["sdr.LeadCaptured"]
    schema = json.loads(views.registry.texts[schema_id])
    [lead] = schema["fields"]
    [company] = [part for part in lead["type"]["fields"] if part["name"] == "company_name"]
    company["confluent:tags"] = ["PII"]
    views.registry.texts[schema_id] = json.dumps(schema)
    queries = await views.show(*paper.records)
    [listed] = queries.leads().leads
    assert (listed.company_name, listed.job_title) == ("•••", "Head of Widgets")
    assert queries.lead("lead-1").lead["company_name"] == "Widgets & Co"


async def test_the_newest_announcement_of_an_agent_counts_and_a_tombstone_removes_it(views, paper):
    paper.announced("scorer")
    paper.announced("greeter")
    paper.write("agent_registry", b"scorer", None)
    queries = await views.show(*reversed(paper.records))
    agents = {agent.agent_id: agent for agent in queries.agents()}
    assert (agents["scorer"].removed, agents["greeter"].removed) == (True, False)
    assert agents["scorer"].definition["input"][0]["when"] == "this.score > 1"


async def test_rubbish_on_every_topic_stops_nothing(views, paper):
    rubbish = random.Random(7)
    names = ["ce_id", "ce_type", "ce_hop", "ce_time", "ce_correlationid", "ce_causationid", "dl_offset", "x"]
    values = [
        None,
        b"",
        b"\xff\xfe",
        b"0",
        b"9" * 30,
        b"\x00",
        b"sdr.LeadCaptured",
        "\u2028".encode(),
        b"a" * 600,
    ]
    values += [
        b"control.RouteDecided",
        b"control.MessageDiscarded",
        b"9999-12-31T23:59:59-14:00",
        b"\xd9\xa3",
    ]
    bodies = [None, b"", b"\x00", bytes(5), b"\x00\x00\x00\x00\x05" + bytes(90), rubbish.randbytes(300)]
    topics = ["incoming_leads", "agent_messages", "agent_routes", "agent_registry", "governance_audit"]
    topics += ["incoming_leads_dlt", "agent_messages_dlt", "elsewhere"]
    for _ in range(600):
        headers = [(rubbish.choice(names), rubbish.choice(values)) for _ in range(rubbish.randrange(8))]
        paper.write(rubbish.choice(topics), rubbish.choice(values), rubbish.choice(bodies), headers)
    paper.scheduled("lead-1")
    queries = await views.show(*paper.records)
    assert queries.stats().captured == queries.stats().scheduled == 1
    assert queries.dead_letters(limit=1000).dead_letters


@pytest.mark.parametrize("seed", range(12))
async def test_the_outcome_does_not_depend_on_the_order_or_on_repetition(new_views, paper, seed):
    ids = _everything(paper)
    in_order = new_views()
    await in_order.show(*paper.records)
    shuffled = new_views()
    dice = random.Random(seed)
    records = [*paper.records, *dice.sample(paper.records, len(paper.records) // 4)]
    dice.shuffle(records)
    while records:
        batch, records = records[: (size := dice.randint(1, 9))], records[size:]
        await shuffled.show(*batch)
    assert _all_answers(shuffled.queries, ids) == _all_answers(in_order.queries, ids)


async def test_the_counts_conserve_every_captured_lead(views, paper):
    _everything(paper)
    stats = (await views.show(*paper.records)).stats()
    assert stats == _stats(
        captured=11,
        scheduled=3,
        ended=2,
        dead_lettered=4,
        in_flight=2,
        unattributed=2,
        refused_at_intake=1,
        llm_calls=16,
        rejected_before_llm=8,
    )


@pytest.mark.parametrize("cut", range(0, 60, 7))
async def test_the_four_states_always_sum_up_to_the_captured(views, paper, cut):
    _everything(paper)
    stats = (await views.show(*paper.records[:cut])).stats()
    assert stats.captured == stats.scheduled + stats.ended + stats.dead_lettered + stats.in_flight


def _everything(paper) -> list[str]:
    """Write at least one lead of every fate; return their ids."""
    paper.scheduled("far")
    paper.captured("waiting")
    paper.decided(paper.captured("disqualified"), None, "ended")
    paper.decided(paper.captured("away"), "lead_ingestion", "routed")
    paper.rejected(paper.captured("malformed"), "MALFORMED", "gate")
    failed = paper.captured("failed")
    paper.decided(failed, "lead_ingestion", "routed")
    paper.rejected(failed, "AGENT_FAILED", "dispatch", model_calls=3)
    paper.rejected(paper.handled(paper.captured("looping"), "rival", "sdr.LeadScored"), "HOP_LIMIT", "guard")
    paper.discarded(paper.rejected(paper.captured("given-up"), "UNKNOWN_SCHEMA", "gate"))
    fixed = paper.rejected(paper.captured("fixed"), "RULE_VIOLATED", "gate")
    again = paper.replayed(fixed)
    paper.replay_audited(fixed)
    paper.decided(paper.handled(again, "send_email", "sdr.CampaignScheduled"), None, "terminal")
    refused = paper.captured("refused-once")
    paper.decided(refused, "rival", "routed")
    paper.decided(refused, "lead_ingestion", "rerouted", excluded=["rival"])
    answer = paper.answered(refused, "lead_ingestion", "sdr.CampaignScheduled")
    paper.write("agent_messages", answer.key, answer.value, answer.headers)
    paper.decided(answer, None, "terminal")
    paper.rejected(paper.incoming("at-intake"), "NOT_FRAMED", "intake")
    dead_letter = paper.rejected(paper.incoming("mended"), "RULE_VIOLATED", "intake")
    replay = replay_id(dead_letter.topic, dead_letter.partition, dead_letter.offset)
    mended = paper.taken_in(paper.incoming("mended", [("ce_id", replay.encode())]))
    paper.rejected(mended, "UNROUTABLE", "router", model_calls=4)
    paper.discarded(dead_letter)
    foreign = (("ce_id", b"f"), ("ce_correlationid", b"foreign"))
    paper.rejected(paper.write("agent_messages", b"far", b"junk", foreign), "NOT_FRAMED", "gate")
    paper.rejected(paper.write("agent_messages", b"far", b"junk"), "HEADER_INVALID", "gate")
    paper.announced("scorer")
    paper.write("agent_registry", b"scorer", None)
    return sorted({record.key.decode() for record in paper.records if record.topic == "incoming_leads"})


def _all_answers(queries, ids: list[str]) -> list[str]:
    leads = [queries.lead(lead_id) for lead_id in ids]
    whole = [queries.stats(), queries.leads(), queries.dead_letters(), *queries.agents(), *leads]
    return [answer.model_dump_json() if answer else "" for answer in whole]


def _stats(**counts: int) -> Stats:
    return Stats(**{**dict.fromkeys(Stats.model_fields, 0), **counts})


_CAMPAIGN = {
    "lead_id": "lead-1",
    "campaign_id": "c",
    "campaign_type": "NURTURE",
    "emails": [],
}


def said_at(record: Record, time: str) -> Record:
    """The record, telling another time of itself; when it was written to its topic stays."""
    told = time.encode()
    return replace(
        record,
        headers=tuple(
            (name, told if name in ("ce_time", "dl_time") else value) for name, value in record.headers
        ),
    )


@pytest.mark.parametrize("time", ["2099-01-01T00:00:00Z", "9999-12-31T23:59:59+00:00"])
async def test_no_record_happened_after_it_was_written(views, paper, time):
    captured = paper.captured("lead-1")
    paper.decided(captured, "lead_scoring", "routed")
    paper.rejected(captured, "AGENT_FAILED", "dispatch")
    paper.discarded(paper.records[-1])
    paper.scheduled("lead-2")
    queries = await views.show(*(said_at(one, time) for one in paper.records))
    written = {datetime.fromtimestamp(one.timestamp_ms / 1000, UTC) for one in paper.records}
    assert views.stages("lead-1") == ["captured", "gated", "routed", "dead_lettered", "discarded"]
    assert {entry.at for entry in queries.lead("lead-1").timeline} <= written
    assert [lead.lead_id for lead in queries.leads().leads] == ["lead-2", "lead-1"]
    assert {lead.captured_at for lead in queries.leads().leads} <= written
    [dead_letter] = queries.dead_letters().dead_letters
    assert dead_letter.at in written and dead_letter.closed_at in written


@pytest.mark.parametrize("time", ["2099-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "soon"])
async def test_silence_is_measured_by_when_records_were_written(views, paper, time):
    captured = paper.captured("lead-1")
    paper.decided(captured, "lead_scoring", "routed")
    failed = paper.captured("lead-2")
    paper.replay_audited(paper.rejected(failed, "AGENT_FAILED", "dispatch"))
    await views.show(*(said_at(one, time) for one in paper.records))
    last = {"lead-1": paper.records[2], "lead-2": paper.records[-1]}
    for lead_id, record in last.items():
        for ago, stalled in ((-1, False), (1, True)):
            patience = clock.time() - record.timestamp_ms / 1000 - ago
            queries = Queries(views.queries._path, StallDetector(stalled_after_s=patience))
            assert queries.lead(lead_id).stalled is stalled
            assert (lead_id in [one.lead_id for one in queries.leads(stalled=True).leads]) is stalled


@pytest.mark.parametrize("calls", [b"9" * 18, b"1000001", b"-5", b"1e3", b"\xd9\xa1"])
async def test_calls_that_no_message_can_have_cost_are_not_counted(views, paper, calls):
    told = {"dl_model_calls": calls}
    for record in [
        *(paper.captured("lead-1") for _ in range(12)),
        *(paper.incoming("lead-2") for _ in range(12)),
    ]:
        dead_letter = paper.rejected(record, "POISON", "gate")
        paper.records[-1] = replace(
            dead_letter, headers=tuple((k, told.get(k, v)) for k, v in dead_letter.headers)
        )
    for number in range(12):
        paper.decided(paper.captured(f"other-{number}"), "lead_scoring", "routed", model_calls=2**30)
    paper.decided(paper.captured("good"), "lead_scoring", "routed", model_calls=3)
    queries = await views.show(*paper.records)
    assert queries.stats().llm_calls == 3
