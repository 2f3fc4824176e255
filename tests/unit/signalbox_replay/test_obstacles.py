"""What must not come back: a dead letter whose bytes are gone, and a lead under another one's id."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from signalbox.gate import Rejected
from signalbox.protocol.dead_letters import DeadLetter
from signalbox.protocol.lesser_dead_letters import completed, leaves_out, lesser_dead_letters
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Draft, Record
from signalbox_operations.replay import ReplayOptions
from signalbox_operations.replay.obstacles import obstacle

MakeDeadLetter = Callable[..., DeadLetter]


def lesser(whole: DeadLetter, step: int) -> DeadLetter:
    record = whole.record
    draft = Draft(record.topic, record.key, record.value, record.headers, record.partition)
    less = lesser_dead_letters(draft, "2026-03-05T09:00:00.000Z")[step]
    return DeadLetter.of(replace(record, key=less.key, value=less.value, headers=less.headers))


def source_of(whole: DeadLetter) -> Record:
    return whole.original


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_dead_letter_by_reference_is_whole_again_as_long_as_its_record_lies_there(
    dead_letter: MakeDeadLetter, step: int
) -> None:
    whole = dead_letter()
    found = completed(lesser(whole, step), source_of(whole))
    assert obstacle(found, ReplayOptions(), edited=False) is None
    assert found.original == whole.original
    assert found.position == whole.position


@pytest.mark.parametrize("step", [1, 2])
def test_a_dead_letter_whose_bytes_are_gone_is_not_sent_and_says_since_when(
    dead_letter: MakeDeadLetter, step: int
) -> None:
    gone = completed(lesser(dead_letter(), step), None)
    found = obstacle(gone, ReplayOptions(), edited=False)
    assert found == Rejected(
        Reason.RULE_VIOLATED,
        "the letter was written without its headers, value, now gone from agent_messages/3/40;"
        " they were kept until 2026-03-05T09:00:00.000Z",
    )
    assert obstacle(gone, ReplayOptions(), edited=True) is None


def test_a_dead_letter_that_lacks_headers_alone_comes_back_when_somebody_vouches_for_them(
    dead_letter: MakeDeadLetter,
) -> None:
    gone = lesser(dead_letter(), 0)
    assert leaves_out(gone) == {"headers"}
    assert obstacle(gone, ReplayOptions(), edited=False) is not None
    assert obstacle(gone, ReplayOptions(key=b"lead-1"), edited=False) is None


def test_a_lead_under_another_ones_id_needs_an_id_of_its_own(dead_letter: MakeDeadLetter) -> None:
    conflict = dead_letter(Reason.CONFLICT, topic="incoming_leads")
    for options in (ReplayOptions(), ReplayOptions(key=b"lead-1"), ReplayOptions(headers={"a": "b"})):
        assert obstacle(conflict, options, edited=True) == Rejected(
            Reason.CONFLICT,
            "its lead id is another lead's, and a replay would not replace that one;"
            " give it an id of its own with --key, and the same in the record with --edit",
            "key",
        )
    assert obstacle(conflict, ReplayOptions(key=b"lead-2"), edited=True) is None
