"""What counts as decided or taken in before, by the records that say so."""

import time
from dataclasses import replace

import pytest

from signalbox.protocol.envelope import completed, correlation_id_of, replay_id
from signalbox.protocol.names import CorrelationId, LeadId, MessageId, RecordType
from signalbox.protocol.records import Record
from signalbox_decide.history import (
    CONTENT,
    TAKEN_IN_FROM,
    Arrival,
    History,
    IntakeHistory,
    captured_identities,
)
from signalbox_decide.seen_ids import BEFORE, Identity, SeenIds

LEAD = LeadId("lead-1")


def taken_in(**headers: str) -> Record:
    """What intake writes for a lead that came with ``headers``."""
    given = tuple((name, value.encode()) for name, value in headers.items())
    incoming = Record("incoming_leads", 0, 3, LEAD.encode(), b"", given)
    envelope = completed(incoming, RecordType("sdr.LeadCaptured"), LEAD, source="intake")
    mark = (TAKEN_IN_FROM, b"incoming_leads/0/3")
    return Record("agent_messages", 0, 5, LEAD.encode(), b"", (*envelope.headers(), mark))


def test_a_lead_that_was_taken_in_is_read_back() -> None:
    assert {one.correlation_id for one in captured_identities(taken_in())} == {correlation_id_of(LEAD)}


def test_a_lead_that_was_taken_in_by_a_replay_is_read_back_too() -> None:
    replay = replay_id("incoming_leads_dlt", 0, 1)
    again = taken_in(ce_id=replay, ce_causationid="refused")
    assert captured_identities(again) == captured_identities(taken_in())


def test_a_foreign_record_under_the_leads_correlation_id_does_not_make_it_count_as_taken_in() -> None:
    forged = tuple(header for header in taken_in().headers if header[0] != TAKEN_IN_FROM)
    assert captured_identities(Record("agent_messages", 0, 6, LEAD.encode(), b"", forged)) == []


def history_of(*copies: Record) -> IntakeHistory:
    """Make the history of an orchestrator that read these copies back."""
    history, taken = IntakeHistory(lambda *_: ()), SeenIds()
    for copy in copies:
        for one in captured_identities(copy):
            taken.setdefault(one, time.time(), BEFORE)
    history.remember(0, taken)
    return history


def with_content(content: bytes) -> Record:
    copy = taken_in()
    return replace(copy, headers=(*copy.headers, (CONTENT, content)))


@pytest.mark.parametrize(
    ("copy", "content", "arrival"),
    [
        (with_content(b"2:abc"), "2:abc", Arrival.DUPLICATE),
        (with_content(b"2:abc"), "2:def", Arrival.CONFLICT),
        (taken_in(), "2:def", Arrival.DUPLICATE),  # of a version that did not tell the content
        (with_content(b"1:abc"), "2:def", Arrival.DUPLICATE),  # of one that made digests in another way
        (with_content(b"\xff"), "2:def", Arrival.DUPLICATE),
    ],
)
def test_a_restart_forgets_neither_a_lead_nor_what_it_said(
    copy: Record, content: str, arrival: Arrival
) -> None:
    assert history_of(copy).arrival(correlation_id_of(LEAD), content, at(9)) is arrival


def test_another_lead_with_a_known_id_stays_one_however_often_it_comes() -> None:
    history, workflow = history_of(), correlation_id_of(LEAD)
    assert history.arrival(workflow, "2:abc", at(1)) is Arrival.FIRST
    assert history.arrival(workflow, "2:abc", at(1)) is Arrival.FIRST  # its decision failed in between
    assert history.arrival(workflow, "2:def", at(2)) is Arrival.CONFLICT
    assert history.arrival(workflow, "2:def", at(3)) is Arrival.CONFLICT
    assert history.arrival(workflow, "2:abc", at(4)) is Arrival.DUPLICATE


IDENTITY = Identity(CorrelationId("c-1"), MessageId("m-1"))


def at(offset: int) -> Record:
    return Record("agent_messages", 0, offset, LEAD.encode(), b"")


def test_the_second_record_of_one_message_is_no_first() -> None:
    history = History()
    assert history.first(0, IDENTITY, at(1))
    assert not history.first(0, IDENTITY, at(2))


def test_a_record_whose_decision_failed_is_still_the_first() -> None:
    history = History()
    assert history.first(0, IDENTITY, at(1))
    assert history.first(0, IDENTITY, at(1))


def test_two_workflows_do_not_shadow_each_others_message_ids() -> None:
    history = History()
    assert history.first(0, IDENTITY, at(1))
    assert history.first(0, IDENTITY._replace(correlation_id=CorrelationId("c-2")), at(2))


def test_what_was_read_back_is_not_decided_again() -> None:
    history = History()
    taken = SeenIds()
    taken.setdefault(IDENTITY, time.time() - 60, BEFORE)
    history.remember(0, taken)
    assert not history.first(0, IDENTITY, at(1))


def identity(number: int) -> Identity:
    return Identity(CorrelationId("c-1"), MessageId(f"m-{number}"))


def test_what_was_taken_longer_than_a_day_ago_is_forgotten() -> None:
    taken, now = SeenIds(), time.time()
    taken.setdefault(identity(1), now - 26 * 3600, BEFORE)
    taken.setdefault(identity(2), now - 22 * 3600, BEFORE)
    assert taken.setdefault(identity(3), now, 3) == 3
    assert taken.setdefault(identity(2), now, 4) == BEFORE
    assert taken.setdefault(identity(1), now, 5) == 5


def test_no_more_ids_are_remembered_than_the_limit_and_the_oldest_go_first() -> None:
    history = History(limit=2)
    for number, hours_ago in ((1, 5), (2, 3), (3, 1)):
        taken = SeenIds()
        taken.setdefault(identity(number), time.time() - hours_ago * 3600, BEFORE)
        history.remember(number, taken)
    assert history.first(1, identity(1), at(1))
    assert not history.first(3, identity(3), at(1))


def test_a_lead_is_the_first_of_its_id_whatever_other_leads_were_taken_in() -> None:
    history = history_of(with_content(b"2:abc"))
    assert history.arrival(correlation_id_of(LeadId("lead-2")), "2:abc", at(1)) is Arrival.FIRST
    assert history.arrival(correlation_id_of(LeadId("lead-3")), "2:abc", at(2)) is Arrival.FIRST
    assert history.arrival(correlation_id_of(LEAD), "2:abc", at(3)) is Arrival.DUPLICATE


def test_positions_in_two_partitions_are_two_records() -> None:
    history = History()
    assert history.first(0, IDENTITY, at(1))
    assert not history.first(0, IDENTITY, replace(at(1), partition=1))
    assert not history.first(0, IDENTITY, replace(at(0), partition=1))


def test_what_was_taken_on_one_partition_is_not_known_on_another() -> None:
    history = History()
    assert not history.knows(0, IDENTITY)
    assert history.first(0, IDENTITY, at(1))
    assert history.knows(0, IDENTITY)
    assert not history.knows(1, IDENTITY)
    assert not history.knows(0, IDENTITY._replace(message_id=MessageId("m-2")))


def test_an_identity_is_remembered_in_sixteen_bytes() -> None:
    assert len(IDENTITY.digest()) == 16
