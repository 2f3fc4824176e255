"""Each check finds nothing in a run that went well, and finds what is wrong in one that did not."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from checks.all import CHECKS
from checks.conservation import (
    each_lead_has_the_one_end_it_must_have,
    every_message_has_one_decision,
    everything_was_accepted,
    no_accepted_lead_is_lost,
    the_sums_are_equal_and_the_console_agrees,
)
from checks.finding import Check
from checks.mails import every_due_mail_came_to_its_end, no_lead_is_scheduled_twice, no_mail_is_sent_twice
from checks.memory import each_process_stays_within_its_memory
from checks.registrations import nothing_reached_a_forger
from checks.rejections import (
    a_record_is_dead_lettered_once,
    every_dead_letter_has_its_original_bytes,
    every_malformed_record_has_its_documented_reason,
    no_model_was_called_for_a_rejected_message,
)
from checks.routing import (
    a_message_delivered_again_has_the_same_bytes,
    a_route_carries_its_message_byte_for_byte,
    each_leads_order_is_kept,
    no_route_goes_to_a_non_candidate,
)
from evidence import (
    AUDIT,
    DEAD_LETTERS,
    INCOMING,
    MESSAGES,
    ROUTES,
    Evidence,
    MailRow,
    Memory,
    ModelCall,
    Received,
    place,
    said,
)
from fault import Kind
from good_run import GOOD, STUDENT, good_run, workflow_of
from history import End, Injection, Sending, Way
from signalbox.protocol.records import Record

Spoil = Callable[[Evidence], Evidence]


def without(topic: str, *dropped: int) -> Spoil:
    """Lose records of a topic, by their place in it."""

    def spoil(run: Evidence) -> Evidence:
        kept = tuple(
            one for at, one in enumerate(run.of(topic)) if at not in {n % len(run.of(topic)) for n in dropped}
        )
        return replace(run, records={**run.records, topic: kept})

    return spoil


def again(topic: str, at: int, **changed: Any) -> Spoil:
    """Write a record of a topic once more, behind the others."""

    def spoil(run: Evidence) -> Evidence:
        lying = run.of(topic)
        copy = replace(lying[at], **{"offset": lying[-1].offset + 1, **changed})
        decoded = {**run.decoded, place(copy): run.content(lying[at])}
        return replace(run, records={**run.records, topic: (*lying, copy)}, decoded=decoded)

    return spoil


def changed(topic: str, at: int, **fields: Any) -> Spoil:
    """Change one record of a topic."""

    def spoil(run: Evidence) -> Evidence:
        lying = list(run.of(topic))
        lying[at] = replace(lying[at], **fields)
        return replace(run, records={**run.records, topic: tuple(lying)})

    return spoil


def with_header(topic: str, at: int, name: str, value: str) -> Spoil:
    """Let one record have another header; what was there under its name counts no more."""
    return lambda run: changed(topic, at, headers=(*run.of(topic)[at].headers, (name, value.encode())))(run)


def saying(topic: str, at: int, **content: Any) -> Spoil:
    """Let the contents of one record say something else."""

    def spoil(run: Evidence) -> Evidence:
        record = run.of(topic)[at]
        return replace(run, decoded={**run.decoded, place(record): {**run.content(record), **content}})

    return spoil


def with_(**fields: Any) -> Spoil:
    return lambda run: replace(run, **fields)


def answered_in_another_order(run: Evidence) -> Evidence:
    """Let an agent answer the second of two messages of a lead before the first."""
    lying = list(run.of(MESSAGES))
    first = lying[0]
    second = _as(first, 90, "good-0b", said(first, "ce_causationid"))
    answer = next(m for m in lying if said(m, "ce_id") == f"{GOOD}-1")
    late = _as(answer, 92, f"{GOOD}-1", f"{GOOD}-0")
    early = _as(answer, 91, f"{GOOD}-1b", "good-0b")
    kept = [m for m in lying if m is not answer]
    return replace(run, records={**run.records, MESSAGES: (*kept, second, early, late)})


def _as(record: Record, offset: int, message_id: str, cause: str) -> Record:
    own = {"ce_id": message_id.encode(), "ce_causationid": cause.encode()}
    headers = tuple((name, own.get(name, value)) for name, value in record.headers)
    return replace(record, offset=offset, headers=headers)


LAST = -1
UNHEARD = Sending(9, Way.MESSAGES, End.SCHEDULED, "unheard")
DROPPED = "smtp-drops-after-data"
TO_A_STRANGER = (Received("mail", "eve@x.example", None),)
MAIL = MailRow("mail", workflow_of(GOOD), "ada@ferrum.example", "sent", due=True)

SPOILT: list[tuple[str, Check, Spoil]] = [
    ("something was never acknowledged", everything_was_accepted, with_(unacknowledged=(0,))),
    ("a lead was lost before intake", no_accepted_lead_is_lost, without(MESSAGES, 0)),
    ("a lead was taken in twice", no_accepted_lead_is_lost, again(MESSAGES, 0)),
    ("an accepted lead is not stored", no_accepted_lead_is_lost, with_(leads={})),
    ("an accepted lead was not published", no_accepted_lead_is_lost, with_(leads={GOOD: False})),
    ("a lead is stored that nobody sent", no_accepted_lead_is_lost, with_(leads={GOOD: True, "x": True})),
    ("an answer was lost", each_lead_has_the_one_end_it_must_have, without(MESSAGES, 4)),
    ("a decision was lost", each_lead_has_the_one_end_it_must_have, without(ROUTES, LAST)),
    (
        "a good lead ended",
        each_lead_has_the_one_end_it_must_have,
        with_header(ROUTES, 4, "route_outcome", "ended"),
    ),
    (
        "a workflow was never heard of",
        each_lead_has_the_one_end_it_must_have,
        lambda run: replace(
            run, sendings=(*run.sendings, Sending(9, Way.MESSAGES, End.SCHEDULED, "unheard"))
        ),
    ),
    (
        "a malformed message of a lead did not count",
        each_lead_has_the_one_end_it_must_have,
        lambda run: replace(
            run, sendings=tuple(replace(s, lead_id=GOOD) if s.reason else s for s in run.sendings)
        ),
    ),
    ("a lead hangs", the_sums_are_equal_and_the_console_agrees, without(ROUTES, 2)),
    ("a lead has vanished", the_sums_are_equal_and_the_console_agrees, without(MESSAGES, 0)),
    (
        "the console counts otherwise",
        the_sums_are_equal_and_the_console_agrees,
        lambda run: replace(run, stats={**run.stats, "scheduled": 2, "ended": 0}),
    ),
    ("a message was decided twice", every_message_has_one_decision, again(ROUTES, 0)),
    ("a message was never decided", every_message_has_one_decision, without(ROUTES, 3)),
    ("a refused message has no letter", every_message_has_one_decision, without(DEAD_LETTERS, 0)),
    ("a lead was skipped at intake", every_message_has_one_decision, without(MESSAGES, 5, 6, 7)),
    (
        "a workflow has two schedules",
        no_lead_is_scheduled_twice,
        with_(campaigns={workflow_of(GOOD): ("campaign", "other")}),
    ),
    (
        "the topic names another schedule",
        no_lead_is_scheduled_twice,
        saying(MESSAGES, 4, campaign_id="other"),
    ),
    (
        "a student was written to",
        no_lead_is_scheduled_twice,
        with_(campaigns={workflow_of(GOOD): ("campaign",), workflow_of(STUDENT): ("another",)}),
    ),
    (
        "a mail was sent twice",
        no_mail_is_sent_twice,
        with_(received=(Received("mail", "ada@ferrum.example", None),) * 2),
    ),
    (
        "a mail whose answer was dropped was sent again",
        no_mail_is_sent_twice,
        with_(
            received=(
                Received("mail", "ada@ferrum.example", DROPPED),
                Received("mail", "ada@ferrum.example", None),
            )
        ),
    ),
    (
        "a mail went to a stranger",
        no_mail_is_sent_twice,
        with_(received=TO_A_STRANGER),
    ),
    ("a mail is in no schedule", no_mail_is_sent_twice, with_(mails=())),
    (
        "a due mail was not sent",
        every_due_mail_came_to_its_end,
        with_(mails=(replace(MAIL, status="scheduled"),)),
    ),
    ("a due mail is held", every_due_mail_came_to_its_end, with_(mails=(replace(MAIL, status="held"),))),
    ("a mail failed", every_due_mail_came_to_its_end, with_(mails=(replace(MAIL, status="failed"),))),
    ("a mail is called sent that was not", every_due_mail_came_to_its_end, with_(received=())),
    (
        "an outcome is unknown for no reason",
        every_due_mail_came_to_its_end,
        with_(mails=(replace(MAIL, status="unknown"),)),
    ),
    (
        "an outcome is called known that was not",
        every_due_mail_came_to_its_end,
        with_(received=(Received("mail", "ada@ferrum.example", DROPPED),)),
    ),
    (
        "a dead letter has another value",
        every_dead_letter_has_its_original_bytes,
        changed(DEAD_LETTERS, 0, value=b"x"),
    ),
    (
        "a dead letter has another key",
        every_dead_letter_has_its_original_bytes,
        changed(DEAD_LETTERS, 0, key=None),
    ),
    (
        "a dead letter has another header",
        every_dead_letter_has_its_original_bytes,
        with_header(DEAD_LETTERS, 0, "more", "x"),
    ),
    (
        "a dead letter and its source are not what was sent",
        every_dead_letter_has_its_original_bytes,
        lambda run: changed(MESSAGES, LAST, value=b"x")(changed(DEAD_LETTERS, 0, value=b"x")(run)),
    ),
    (
        "a dead letter names another place",
        every_dead_letter_has_its_original_bytes,
        with_header(DEAD_LETTERS, 0, "dl_offset", "77"),
    ),
    ("a record has two dead letters", a_record_is_dead_lettered_once, again(DEAD_LETTERS, 0)),
    ("an audit event is missing", a_record_is_dead_lettered_once, without(AUDIT, 0)),
    ("an audit event has no dead letter", a_record_is_dead_lettered_once, without(DEAD_LETTERS, 0)),
    (
        "a malformed record has another reason",
        every_malformed_record_has_its_documented_reason,
        with_header(DEAD_LETTERS, 0, "dl_reason", "NOT_FRAMED"),
    ),
    (
        "a malformed record got through",
        every_malformed_record_has_its_documented_reason,
        without(DEAD_LETTERS, 0),
    ),
    (
        "a malformed record was lost",
        every_malformed_record_has_its_documented_reason,
        without(INCOMING, LAST),
    ),
    (
        "a model saw a rejected message",
        no_model_was_called_for_a_rejected_message,
        with_(model_calls=(ModelCall("route", "bad"),)),
    ),
    (
        "a rejected message cost a call",
        no_model_was_called_for_a_rejected_message,
        with_header(DEAD_LETTERS, 0, "dl_model_calls", "1"),
    ),
    ("no call was written down", no_model_was_called_for_a_rejected_message, with_(model_calls=())),
    (
        "an agent got what it does not take",
        no_route_goes_to_a_non_candidate,
        lambda run: saying(ROUTES, 0, agent="send_email", candidates=["send_email"])(
            with_header(ROUTES, 0, "route_agent", "send_email")(run)
        ),
    ),
    (
        "an agent got what its condition excludes",
        no_route_goes_to_a_non_candidate,
        lambda run: saying(ROUTES, LAST, agent="active_outreach", candidates=["active_outreach"])(
            with_header(ROUTES, LAST, "route_agent", "active_outreach")(run)
        ),
    ),
    (
        "an agent was chosen that nobody knows",
        no_route_goes_to_a_non_candidate,
        lambda run: saying(ROUTES, 0, agent="ghost", candidates=["ghost"])(
            with_header(ROUTES, 0, "route_agent", "ghost")(run)
        ),
    ),
    (
        "header and record name two agents",
        no_route_goes_to_a_non_candidate,
        with_header(ROUTES, 0, "route_agent", "lead_scoring"),
    ),
    (
        "an agent got what it had refused",
        no_route_goes_to_a_non_candidate,
        saying(ROUTES, 0, excluded=["lead_ingestion"]),
    ),
    (
        "a route carries other bytes",
        a_route_carries_its_message_byte_for_byte,
        saying(ROUTES, 0, payload=b"x"),
    ),
    (
        "a route carries no headers",
        a_route_carries_its_message_byte_for_byte,
        saying(ROUTES, 0, payload_headers=[]),
    ),
    (
        "a lead's decisions changed places",
        each_leads_order_is_kept,
        lambda run: saying(ROUTES, 1, source_offset=0)(saying(ROUTES, 0, source_offset=1)(run)),
    ),
    ("an agent overtook itself", each_leads_order_is_kept, answered_in_another_order),
    (
        "an answer came again with other bytes",
        a_message_delivered_again_has_the_same_bytes,
        again(MESSAGES, 1, value=b"another answer"),
    ),
    (
        "a forger got a message",
        nothing_reached_a_forger,
        with_(forged_to=("POST /messages HTTP/1.1 with a token",)),
    ),
    ("an answer is kept nowhere", a_message_delivered_again_has_the_same_bytes, with_(answers=())),
    ("a kept answer was never published", a_message_delivered_again_has_the_same_bytes, without(MESSAGES, 4)),
    (
        "a process outgrew its bound",
        each_process_stays_within_its_memory,
        with_(memory=(Memory("orchestrator_2", 3000.0, 10),)),
    ),
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_run_that_went_well_passes(check: Check) -> None:
    found = check(good_run())

    assert found.problems == ()
    assert found.passed


@pytest.mark.parametrize(("check", "spoil"), [one[1:] for one in SPOILT], ids=[one[0] for one in SPOILT])
def test_a_run_is_failed_in_which(check: Check, spoil: Spoil) -> None:
    found = check(spoil(good_run()))

    assert found.problems


def test_every_check_is_seen_to_fail() -> None:
    assert {check for _, check, _ in SPOILT} == set(CHECKS)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_check_that_finds_nothing_to_check_does_not_pass(check: Check) -> None:
    empty = Evidence()

    try:
        passed = check(empty).passed
    except LookupError:
        passed = False

    # The console's figures are compared one by one, and all of them are missing.
    assert not passed


def test_an_answer_that_is_published_again_as_it_was_is_no_second_answer() -> None:
    run = again(MESSAGES, 1)(good_run())

    for check in CHECKS:
        assert check(run).problems == (), check.__name__


def test_a_mail_of_unknown_outcome_is_explained_by_the_drop_that_caused_it() -> None:
    run = with_(
        mails=(replace(MAIL, status="unknown"),),
        received=(Received("mail", "ada@ferrum.example", DROPPED),),
    )(good_run())

    assert every_due_mail_came_to_its_end(run).passed
    assert no_mail_is_sent_twice(run).passed


@pytest.mark.parametrize(("victim", "explains"), [("send_email", True), ("console", False)])
def test_a_mail_of_unknown_outcome_is_explained_by_a_fault_that_struck_its_mailer(
    victim: str, explains: bool
) -> None:
    struck = Injection("process-killed", Kind.PROCESS, f"process-killed: {victim} (SIGKILL)", 0.0, 1.0, 1)
    unknown = with_(mails=(replace(MAIL, status="unknown"),), received=(), injections=(struck,))(good_run())

    assert every_due_mail_came_to_its_end(unknown).passed is explains


@pytest.mark.parametrize(
    ("name", "harm", "explains"),
    [
        ("agent-answers-500", 8, True),
        ("agent-answers-500", 7, False),
        ("registry-down", 100, False),
        ("model-answers-500", None, False),
    ],
)
def test_a_lead_that_is_given_up_is_excused_only_by_faults_that_explain_it(
    name: str, harm: int | None, explains: bool
) -> None:
    struck = Injection(name, Kind.AGENT, "", 0.0, 1.0, harm)
    run = replace(given_up("AGENT_FAILED"), injections=(struck,))

    assert each_lead_has_the_one_end_it_must_have(run).passed is explains


def test_a_lead_that_is_given_up_for_a_guard_is_never_excused() -> None:
    struck = Injection("agent-answers-500", Kind.AGENT, "", 0.0, 1.0, 100)
    run = replace(given_up("HOP_LIMIT"), injections=(struck,))

    assert not each_lead_has_the_one_end_it_must_have(run).passed


def given_up(reason: str) -> Evidence:
    """Return a run in which the good lead's draft was given up at dispatch."""
    run = without(MESSAGES, 4)(good_run())
    draft = run.of(MESSAGES)[3]
    said_of_it = {
        "dl_reason": reason,
        "dl_stage": "dispatch",
        "dl_topic": draft.topic,
        "dl_partition": str(draft.partition),
        "dl_offset": str(draft.offset),
        "dl_model_calls": "0",
    }
    headers = (*draft.headers, *((name, text.encode()) for name, text in said_of_it.items()))
    dead_letter = replace(draft, topic=DEAD_LETTERS, offset=5, headers=headers)
    return replace(run, records={**run.records, DEAD_LETTERS: (*run.of(DEAD_LETTERS), dead_letter)})
