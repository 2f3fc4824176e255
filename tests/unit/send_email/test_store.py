from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from send_email.mails import Mail, Schedule, Status
from send_email.store import ScheduleStore
from signalbox.errors import ConfigurationError, Unavailable

LEASE = timedelta(seconds=120)
Scheduled = Callable[..., Schedule]


def test_a_schedule_comes_back_as_it_was_made(store: ScheduleStore, scheduled: Scheduled) -> None:
    made = scheduled(0, 72, 168, recipient_name="佐藤 花子", body="漢字\n")
    assert store.find("w-1") == made
    assert store.find("w-2") is None


def test_the_second_schedule_of_a_workflow_is_not_kept(
    store: ScheduleStore, scheduled: Scheduled, a_mail: Callable[..., Mail]
) -> None:
    first = scheduled(0, 72)
    second = Schedule("w-1", "c-other", "ACTIVE_OUTREACH", "lead-1", (a_mail("x-1", campaign_id="c-other"),))
    assert store.keep_first(second) == first
    assert len(store.progress()) == 2


def test_only_mails_that_are_due_are_claimed_the_oldest_first(
    store: ScheduleStore, scheduled: Scheduled, clock: Any
) -> None:
    scheduled(2, 0, 1)
    clock.forward(hours=1)
    claimed = []
    while claim := store.claim_due(clock(), LEASE, repeatable=False):
        claimed.append(claim.mail.message_id)
    assert claimed == ["w-1-0@larkspan.example", "w-1-1@larkspan.example"]


def test_a_claimed_mail_is_nobody_elses(
    store: ScheduleStore, scheduled: Scheduled, clock: Any, tmp_path: Path
) -> None:
    scheduled(0)
    other = ScheduleStore.in_folder(tmp_path / "send_email")
    assert store.claim_due(clock(), LEASE, repeatable=False) is not None
    assert other.claim_due(clock(), LEASE, repeatable=False) is None
    other.close()


@pytest.mark.parametrize(("repeatable", "becomes"), [(False, Status.UNKNOWN), (True, Status.SCHEDULED)])
def test_a_handover_that_nobody_reported_is_unknown_unless_it_can_be_repeated(
    store: ScheduleStore, scheduled: Scheduled, clock: Any, repeatable: bool, becomes: Status
) -> None:
    scheduled(0)
    store.claim_due(clock(), LEASE, repeatable=repeatable)
    clock.forward(seconds=119)
    assert store.resolve_abandoned(clock()) == 0
    assert store.progress()[0].status is Status.HANDING_OVER
    clock.forward(seconds=2)
    assert store.resolve_abandoned(clock()) == 1
    assert store.progress()[0].status is becomes


def test_an_outcome_that_comes_after_the_lease_still_counts(
    store: ScheduleStore, scheduled: Scheduled, clock: Any
) -> None:
    scheduled(0)
    claim = store.claim_due(clock(), LEASE, repeatable=False)
    assert claim is not None
    clock.forward(seconds=200)
    store.resolve_abandoned(clock())
    store.settle(claim, Status.SENT)
    assert store.progress()[0].status is Status.SENT


def test_a_late_report_of_an_old_attempt_changes_nothing(
    store: ScheduleStore, scheduled: Scheduled, clock: Any
) -> None:
    scheduled(0)
    first = store.claim_due(clock(), LEASE, repeatable=True)
    clock.forward(seconds=200)
    store.resolve_abandoned(clock())
    second = store.claim_due(clock(), LEASE, repeatable=True)
    assert first is not None
    assert second is not None
    store.settle(first, Status.FAILED, "late")
    assert store.progress()[0].status is Status.HANDING_OVER
    store.settle(second, Status.SENT)
    assert store.progress()[0].status is Status.SENT


def test_progress_tells_nothing_personal(store: ScheduleStore, scheduled: Scheduled, clock: Any) -> None:
    scheduled(0)
    claim = store.claim_due(clock(), LEASE, repeatable=False)
    assert claim is not None
    store.settle(claim, Status.FAILED, "550 no such user <ada@fjord.example>")
    (progress,) = store.progress("lead-1")
    assert progress.reason == "550 no such user <•••>"
    assert "Ada" not in str(progress)
    assert store.progress("lead-2") == []


def test_a_store_that_cannot_be_written_is_unavailable(
    tmp_path: Path, scheduled: Scheduled, store: ScheduleStore
) -> None:
    made = scheduled(0)
    broken = ScheduleStore(f"sqlite:///{tmp_path / 'other.db'}")
    with broken._engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE mails")
    with pytest.raises(Unavailable):
        broken.keep_first(made)
    broken.close()


def test_an_address_of_a_database_that_is_none_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError):
        ScheduleStore("nonsense")
