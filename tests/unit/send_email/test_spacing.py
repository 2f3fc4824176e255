"""Mails that are late keep the distances of their campaign."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from send_email.composing import Sender
from send_email.mailer import Mailer, Pace
from send_email.mails import Schedule, Status
from send_email.smtp import SmtpHandover
from send_email.store import ScheduleStore

Scheduled = Callable[..., Schedule]
PACE = Pace(first_retry=timedelta(seconds=30), give_up=timedelta(days=30))


@pytest.fixture
def mailer(post: Any, store: ScheduleStore, sender: Sender, clock: Any) -> Mailer:
    return Mailer(store, SmtpHandover(post.relay, sender, clock, timeout_s=5), clock, PACE)


async def sent_hours(mailer: Mailer, post: Any, clock: Any, hours: int, step: int = 1) -> list[int]:
    """Let hours pass; return after how many of them each mail was taken."""
    begin, found = clock(), []
    for _ in range(0, hours + 1, step):
        before = len(post.taken)
        await mailer.hand_over_due()
        found += [round((clock() - begin).total_seconds() / 3600)] * (len(post.taken) - before)
        clock.forward(hours=step)
    return found


async def test_after_an_outage_the_overdue_mails_of_a_campaign_keep_their_distances(
    mailer: Mailer, post: Any, clock: Any, scheduled: Scheduled
) -> None:
    scheduled(0, 2, 6, 7)
    clock.forward(days=30)
    assert await sent_hours(mailer, post, clock, 12) == [0, 2, 6, 7]


async def test_an_outage_in_the_middle_moves_what_is_left(
    mailer: Mailer, post: Any, clock: Any, scheduled: Scheduled
) -> None:
    scheduled(0, 2, 6, 30)
    await mailer.hand_over_due()
    clock.forward(hours=10)  # the second is 8 hours late: the third comes 4 hours after it, then the fourth
    assert await sent_hours(mailer, post, clock, 40) == [0, 4, 28]


async def test_each_campaign_keeps_its_own_distances_and_waits_for_no_other(
    mailer: Mailer, post: Any, clock: Any, scheduled: Scheduled
) -> None:
    scheduled(0, 3, workflow="a", recipient="a@x.example")
    scheduled(0, 5, workflow="b", recipient="b@x.example")
    clock.forward(days=2)
    assert await sent_hours(mailer, post, clock, 8) == [0, 0, 3, 5]


async def test_a_mail_that_was_put_off_for_long_moves_those_behind_it(
    mailer: Mailer, post: Any, clock: Any, scheduled: Scheduled
) -> None:
    scheduled(0, 2, 4)
    post.answers = ["451 4.7.1 greylisted"] * 6
    assert await sent_hours(mailer, post, clock, 14) == [6, 8, 10]


async def test_a_stop_of_sending_keeps_the_distances(
    mailer: Mailer, post: Any, clock: Any, scheduled: Scheduled
) -> None:
    scheduled(0, 2, 4)
    post.answers = ["550 5.4.5 Daily sending quota exceeded"] * 10
    found = await sent_hours(mailer, post, clock, 20)
    assert [later - found[0] for later in found] == [0, 2, 4]


async def test_the_distances_are_kept_across_a_restart_and_by_other_mailers(
    post: Any, clock: Any, scheduled: Scheduled, store: ScheduleStore, sender: Sender, tmp_path: Path
) -> None:
    scheduled(0, 2, 6)
    clock.forward(days=1)
    found = []
    for hour in range(8):
        again = ScheduleStore.in_folder(tmp_path / "send_email", store.policy)
        handover = SmtpHandover(post.relay, sender, clock, timeout_s=5)
        before = len(post.taken)
        await Mailer(again, handover, clock, PACE).hand_over_due()
        again.close()
        found += [hour] * (len(post.taken) - before)
        clock.forward(hours=1)
    assert found == [0, 2, 6]


async def test_a_clock_that_jumps_ahead_and_back_lets_no_two_mails_of_a_campaign_go_together(
    mailer: Mailer, post: Any, clock: Any, scheduled: Scheduled
) -> None:
    scheduled(0, 2, 4)
    clock.forward(days=3)
    await mailer.hand_over_due()
    clock.forward(days=-3)
    await mailer.hand_over_due()
    assert len(post.taken) == 1
    clock.forward(days=3, hours=2)
    await mailer.hand_over_due()
    assert len(post.taken) == 2


async def test_a_mail_that_failed_holds_nothing_up(
    mailer: Mailer, post: Any, clock: Any, scheduled: Scheduled, store: ScheduleStore
) -> None:
    scheduled(0, 2, 4)
    clock.forward(days=1)
    post.answers = ["550 5.6.0 this text never"]
    found = await sent_hours(mailer, post, clock, 8)
    assert [mail.status for mail in store.progress()] == [Status.FAILED, Status.SENT, Status.SENT]
    assert found[-1] <= 4
    assert found[1] - found[0] == 2
