"""How much a stage may read: few that are being decided, many that wait, and not too many bytes."""

from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.consume.room import Room

MEBIBYTE = 1024 * 1024


def room(*, deciding: int = 0, waiting: int = 0, size: int = 0, set_aside: int = 0) -> Room:
    ledger: Any = SimpleNamespace(undecided=[None] * deciding, in_flight=deciding + waiting, size=size)
    return Room(ledger, 10, lambda: set_aside)


@pytest.mark.parametrize(("deciding", "left"), [(0, 10), (9, 1), (10, 0), (12, -2)])
def test_what_is_being_decided_takes_room(deciding: int, left: int) -> None:
    assert room(deciding=deciding).left == left
    assert room(deciding=deciding).full is (left <= 0)


def test_what_only_waits_to_be_committed_takes_none_up_to_ten_thousand() -> None:
    assert room(deciding=4, waiting=9_000).left == 6
    assert room(deciding=4, waiting=9_997).left == 3
    assert room(waiting=10_000).full


@pytest.mark.parametrize(("set_aside", "left"), [(1, 1), (30, 30), (31, 30)])
def test_what_is_set_aside_takes_none_up_to_three_limits(set_aside: int, left: int) -> None:
    assert room(deciding=10, set_aside=set_aside).left == left


def test_records_that_are_large_together_leave_no_room() -> None:
    assert not room(size=32 * MEBIBYTE - 1).full
    assert room(size=32 * MEBIBYTE).full
