"""A server that takes nothing from us stops sending and burns no mail; a mail that it alone refuses fails."""

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from prometheus_client import REGISTRY

from send_email.composing import Sender
from send_email.mailer import Mailer, Pace
from send_email.mails import Schedule, Status
from send_email.smtp import SmtpHandover
from send_email.store import ScheduleStore
from signalbox.telemetry import Readiness

Scheduled = Callable[..., Schedule]
QUOTA = "550 5.4.5 Daily sending quota exceeded"
RELAY = "554 5.7.1 Relay access denied"
PACE = Pace(first_retry=timedelta(seconds=30), give_up=timedelta(hours=5))


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
def mailer(post: Any, store: ScheduleStore, sender: Sender, clock: Any, readiness: Readiness) -> Mailer:
    mailer = Mailer(store, SmtpHandover(post.relay, sender, clock, timeout_s=5), clock, PACE)
    mailer.report_to(readiness)
    return mailer


def many(scheduled: Scheduled, count: int) -> None:
    for number in range(count):
        scheduled(0, workflow=f"w{number}", recipient=f"ada{number}@fjord.example")


def statuses(store: ScheduleStore) -> list[Status]:
    return [mail.status for mail in store.progress()]


def halted() -> float:
    return REGISTRY.get_sample_value("signalbox_mail_sending_stopped") or 0.0


@pytest.mark.parametrize("refusal", [QUOTA, RELAY])
async def test_a_refusal_of_the_sender_burns_no_mail_and_calls_an_operator(
    mailer: Mailer, post: Any, store: ScheduleStore, scheduled: Scheduled, readiness: Readiness, refusal: str
) -> None:
    many(scheduled, 12)
    post.answers = [refusal] * 1000
    tried = await mailer.hand_over_due()
    assert tried <= PACE.at_once
    assert statuses(store) == [Status.SCHEDULED] * 12
    assert readiness.ready
    (said,) = readiness.impaired
    assert "operator" in said
    assert refusal in said
    assert halted() == 1


async def test_while_sending_is_stopped_one_mail_is_tried_after_each_pause_and_the_pauses_grow(
    mailer: Mailer, post: Any, store: ScheduleStore, scheduled: Scheduled, clock: Any
) -> None:
    many(scheduled, 12)
    post.answers = [QUOTA] * 1000
    await mailer.hand_over_due()
    tries = []
    for _ in range(4 * 60):
        clock.forward(minutes=1)
        if tried := await mailer.hand_over_due():
            assert tried == 1
            tries.append(clock())
    gaps = [later - earlier for earlier, later in pairwise(tries)]
    assert gaps == sorted(gaps)
    assert gaps[-1] == timedelta(hours=1)
    assert len(tries) < 12
    assert statuses(store) == [Status.SCHEDULED] * 12


async def test_all_mails_go_when_the_server_takes_one_again_however_long_it_was(
    mailer: Mailer, post: Any, store: ScheduleStore, scheduled: Scheduled, clock: Any, readiness: Readiness
) -> None:
    many(scheduled, 12)
    post.answers = [QUOTA] * 1000
    for _ in range(24 * 8):
        await mailer.hand_over_due()
        clock.forward(hours=1)
    # Much longer than mails are put off: one that is greylisted now has its whole time before it.
    post.answers = ["451 4.7.1 greylisted"]
    for _ in range(3):
        await mailer.hand_over_due()
        clock.forward(hours=1)
    assert statuses(store) == [Status.SENT] * 12
    assert len(post.taken) == 12
    assert readiness.impaired == []
    assert halted() == 0


async def test_a_mail_first_put_off_after_an_outage_is_not_given_up_at_once(
    mailer: Mailer, post: Any, store: ScheduleStore, scheduled: Scheduled, clock: Any
) -> None:
    scheduled(0)
    clock.forward(days=6)
    post.answers = ["451 4.7.1 greylisted"]
    await mailer.hand_over_due()
    assert statuses(store) == [Status.SCHEDULED]
    clock.forward(minutes=1)
    await mailer.hand_over_due()
    assert statuses(store) == [Status.SENT]


async def test_a_mail_that_alone_is_refused_again_and_again_fails_and_the_others_go(
    mailer: Mailer, post: Any, store: ScheduleStore, scheduled: Scheduled, clock: Any, readiness: Readiness
) -> None:
    post.refused_recipients["poison@fjord.example"] = RELAY
    scheduled(0, workflow="p", recipient="poison@fjord.example")
    for number in range(40):
        scheduled(0, workflow=f"w{number}", recipient=f"ada{number}@fjord.example")
        await mailer.hand_over_due()
        clock.forward(minutes=1)
    by_id = {mail.message_id: mail for mail in store.progress()}
    poison = by_id.pop("p-0@larkspan.example")
    assert poison.status is Status.FAILED
    assert "others are taken" in poison.reason
    assert {mail.status for mail in by_id.values()} == {Status.SENT}
    assert readiness.impaired == []


async def test_refusals_for_who_knows_what_stop_sending_after_two(
    mailer: Mailer, post: Any, store: ScheduleStore, scheduled: Scheduled, clock: Any, readiness: Readiness
) -> None:
    many(scheduled, 12)
    post.answers = ["554 Transaction failed"] * 1000
    await mailer.hand_over_due()
    assert statuses(store).count(Status.FAILED) == 2
    assert statuses(store).count(Status.SCHEDULED) == 10
    assert readiness.impaired
    post.answers = []
    clock.forward(minutes=1)
    await mailer.hand_over_due()
    assert statuses(store).count(Status.SENT) == 10


async def test_refusals_of_recipients_never_stop_sending(
    mailer: Mailer, post: Any, store: ScheduleStore, scheduled: Scheduled, readiness: Readiness
) -> None:
    many(scheduled, 12)
    for number in range(11):
        post.refused_recipients[f"ada{number}@fjord.example"] = "550 5.1.1 no such user"
    await mailer.hand_over_due()
    assert statuses(store).count(Status.FAILED) == 11
    assert statuses(store).count(Status.SENT) == 1
    assert readiness.impaired == []
