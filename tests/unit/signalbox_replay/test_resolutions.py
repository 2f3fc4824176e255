from datetime import UTC, datetime

import pytest

from signalbox.protocol.records import Draft, Record
from signalbox_operations.replay import Resolution
from signalbox_operations.replay.audit import Audit
from signalbox_operations.replay.renewal import ReplayOptions, renewed
from signalbox_operations.replay.resolutions import resolutions_of


def read(draft: Draft, at: int = 0, value: bytes | None = None) -> Record:
    return Record(
        draft.topic, 0, at, draft.key, value or draft.value, draft.headers, 1_800_000_000_000 + at * 1000
    )


def message_of(dead_letter) -> Draft:
    return renewed(dead_letter, ReplayOptions(), None, dead_letter.original.value).draft


async def test_a_dead_letter_that_nobody_touched_is_open(dead_letter, control):
    other = dead_letter(offset=18)
    records = [read(message_of(other)), read(Audit(control, "x").replayed(other, message_of(other), ""))]
    assert await resolutions_of([dead_letter()], records, control) == {}


async def test_a_replay_without_its_audit_event_is_a_replay_that_lacks_it(dead_letter, control):
    one = dead_letter()
    resolution = (await resolutions_of([one], [read(message_of(one))], control))[one.position]
    assert (resolution.how, resolution.audited, resolution.who) == ("replayed", False, "")


async def test_a_replay_with_its_audit_event_says_when_by_whom_and_why(dead_letter, control):
    one = dead_letter()
    records = [
        read(Audit(control, "rev@ops").replayed(one, message_of(one), "mended"), 5),
        read(message_of(one), 1),
    ]
    for order in (records, records[::-1]):
        resolution = (await resolutions_of([one], order, control))[one.position]
        assert (resolution.how, resolution.audited, resolution.who, resolution.why) == (
            "replayed",
            True,
            "rev@ops",
            "mended",
        )


async def test_a_replay_whose_message_is_no_longer_kept_is_known_by_its_audit_event(dead_letter, control):
    one = dead_letter()
    audit = read(Audit(control, "rev@ops").replayed(one, message_of(one), ""))
    assert (await resolutions_of([one], [audit], control))[one.position].audited


async def test_a_replay_counts_more_than_a_discard(dead_letter, control):
    one = dead_letter()
    discard = read(Audit(control, "rev@ops").discarded(one, "no use"))
    assert (await resolutions_of([one], [discard], control))[one.position].how == "discarded"
    for order in ([discard, read(message_of(one))], [read(message_of(one)), discard]):
        assert (await resolutions_of([one], order, control))[one.position].how == "replayed"


async def test_an_audit_event_that_can_not_be_read_closes_nothing(dead_letter, control):
    one = dead_letter()
    draft = Audit(control, "x").discarded(one, "no use")
    assert await resolutions_of([one], [read(draft, value=b"\x00rubbish")], control) == {}


async def test_a_record_elsewhere_with_a_replays_id_closes_nothing(dead_letter, control):
    one = dead_letter()
    draft = message_of(one)
    elsewhere = Draft("incoming_leads", draft.key, draft.value, draft.headers)
    assert await resolutions_of([one], [read(elsewhere)], control) == {}


async def test_an_audit_event_has_the_same_id_whoever_writes_it_again(dead_letter, control):
    one = dead_letter()
    ids = {
        dict(Audit(control, who).discarded(one, why).headers)["ce_id"]
        for who, why in (("a", "x"), ("b", "y"))
    }
    assert len(ids) == 1


async def test_each_dead_letter_and_each_end_of_it_has_an_audit_event_of_its_own(dead_letter, control):
    audit, dead_letters = Audit(control, "rev@ops"), [dead_letter(), dead_letter(offset=18)]
    drafts = [audit.discarded(one, "no use") for one in dead_letters]
    drafts += [audit.replayed(one, message_of(one), "mended") for one in dead_letters]
    assert len({dict(draft.headers)["ce_id"] for draft in drafts}) == 4


async def test_a_replay_was_when_its_message_was_written_and_not_when_it_was_audited(dead_letter, control):
    one = dead_letter()
    message, audit = message_of(one), Audit(control, "rev@ops").replayed(one, message_of(one), "mended")
    records = [read(message, 1), read(audit, 5)]
    for order in (records, records[::-1]):  # the topics are read side by side
        resolution = (await resolutions_of([one], order, control))[one.position]
        assert (resolution.at.timestamp() * 1000, resolution.who) == (records[0].timestamp_ms, "rev@ops")


@pytest.mark.parametrize(
    ("resolution", "told"),
    [
        (("replayed",), "replayed at 2026-03-02T09:00:00+00:00"),
        (("discarded", "rev@ops"), "discarded at 2026-03-02T09:00:00+00:00 by rev@ops"),
        (("discarded", "rev@ops", "no use"), "discarded at 2026-03-02T09:00:00+00:00 by rev@ops: no use"),
    ],
)
def test_an_end_is_told_with_its_time_and_with_who_and_why_as_far_as_they_are_known(resolution, told):
    how, *by = resolution
    assert str(Resolution(how, datetime(2026, 3, 2, 9, 0, 0, 7, UTC), *by)) == told
