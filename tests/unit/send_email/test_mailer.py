"""The mailer with a real SMTP server and a real store, across failures and restarts."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from send_email.agent import make_agent, utc_now
from send_email.composing import Sender
from send_email.handover import Delivered, Outcome
from send_email.listing import listing_routes
from send_email.mailer import Mailer, Pace
from send_email.mails import Claim, Mail, Schedule, Status
from send_email.opening import Opening
from send_email.outbox import Outbox
from send_email.policy import Policy
from send_email.settings import MailSettings
from send_email.smtp import Relay, SmtpHandover
from send_email.store import ScheduleStore
from signalbox.protocol.errors import Unavailable

Scheduled = Callable[..., Schedule]
NO_CAPS = Policy(per_hour=10_000, per_day=10_000, per_month=10_000)
PACE = Pace(poll=timedelta(milliseconds=20), first_retry=timedelta(seconds=30), give_up=timedelta(hours=5))


@pytest.fixture
def mailer(post: Any, store: ScheduleStore, sender: Sender, clock: Any) -> Mailer:
    return Mailer(store, SmtpHandover(post.relay, sender, clock, timeout_s=5), clock, PACE)


def statuses(store: ScheduleStore) -> list[Status]:
    return [mail.status for mail in store.progress()]


async def test_due_mails_are_delivered_and_the_others_wait(
    mailer: Mailer, post: Any, store: ScheduleStore, scheduled: Scheduled, clock: Any
) -> None:
    scheduled(0, 72)
    assert await mailer.hand_over_due() == 1
    assert statuses(store) == [Status.SENT, Status.SCHEDULED]
    clock.forward(hours=72)
    await mailer.hand_over_due()
    assert statuses(store) == [Status.SENT, Status.SENT]
    assert [message["Message-ID"] for message in post.taken] == [
        "<w-1-0@larkspan.example>",
        "<w-1-72@larkspan.example>",
    ]


async def test_a_mail_refused_with_550_has_failed_for_good_with_the_reason(
    mailer: Mailer, post: Any, store: ScheduleStore, scheduled: Scheduled, clock: Any
) -> None:
    scheduled(0)
    post.refused_recipients["ada@fjord.example"] = "550 5.1.1 no such user"
    await mailer.hand_over_due()
    clock.forward(hours=3)
    await mailer.hand_over_due()
    (progress,) = store.progress()
    assert (progress.status, progress.attempts) == (Status.FAILED, 1)
    assert progress.reason == "550 5.1.1 no such user"


async def test_a_mail_put_off_with_451_is_delivered_later_and_once(
    mailer: Mailer, post: Any, store: ScheduleStore, scheduled: Scheduled, clock: Any
) -> None:
    scheduled(0)
    post.answers = ["451 4.3.0 later", "451 4.3.0 later"]
    await mailer.hand_over_due()
    assert statuses(store) == [Status.SCHEDULED]
    clock.forward(seconds=1)
    assert await mailer.hand_over_due() == 0  # backoff: not yet
    for _ in range(3):
        clock.forward(minutes=2)
        await mailer.hand_over_due()
    assert statuses(store) == [Status.SENT]
    assert len(post.taken) == 1
    assert store.progress()[0].attempts == 3


async def test_a_mail_that_is_put_off_for_too_long_has_failed(
    mailer: Mailer, post: Any, store: ScheduleStore, scheduled: Scheduled, clock: Any
) -> None:
    scheduled(0)
    post.answers = ["451 4.3.0 later"] * 3
    await mailer.hand_over_due()
    clock.forward(hours=6)
    await mailer.hand_over_due()
    (progress,) = store.progress()
    assert progress.status is Status.FAILED
    assert progress.reason == "given up; last: 451 4.3.0 later"


async def test_a_server_that_is_away_is_waited_for(
    store: ScheduleStore, scheduled: Scheduled, sender: Sender, clock: Any, post: Any, unused_port: int
) -> None:
    scheduled(0)
    away = Mailer(store, SmtpHandover(Relay("127.0.0.1", unused_port), sender, clock), clock, PACE)
    await away.hand_over_due()
    assert statuses(store) == [Status.SCHEDULED]
    clock.forward(minutes=1)
    await Mailer(store, SmtpHandover(post.relay, sender, clock), clock, PACE).hand_over_due()
    assert statuses(store) == [Status.SENT]


async def test_mails_go_on_after_a_restart_and_none_goes_twice(
    mailer: Mailer,
    post: Any,
    store: ScheduleStore,
    scheduled: Scheduled,
    sender: Sender,
    clock: Any,
    tmp_path: Path,
) -> None:
    scheduled(0, 1, 2)
    await mailer.hand_over_due()
    store.close()
    clock.forward(hours=2)
    reopened = ScheduleStore.in_folder(tmp_path / "send_email", NO_CAPS)
    again = Mailer(reopened, SmtpHandover(post.relay, sender, clock), clock, PACE)
    await again.hand_over_due()
    clock.forward(hours=1)  # the second went an hour late, so the third does, too
    await again.hand_over_due()
    assert statuses(reopened) == [Status.SENT] * 3
    assert len({message["Message-ID"] for message in post.taken}) == len(post.taken) == 3
    reopened.close()


async def test_a_mailer_that_dies_during_a_handover_leaves_it_unknown_and_unrepeated(
    mailer: Mailer, post: Any, store: ScheduleStore, scheduled: Scheduled, clock: Any
) -> None:
    scheduled(0)
    assert store.claim_due(clock(), PACE.lease, repeatable=False) is not None  # and dies here
    clock.forward(hours=1)
    await mailer.hand_over_due()
    assert statuses(store) == [Status.UNKNOWN]
    assert post.taken == []


async def test_a_mailer_that_dies_while_writing_a_file_writes_it_again(
    store: ScheduleStore, scheduled: Scheduled, sender: Sender, clock: Any, tmp_path: Path
) -> None:
    scheduled(0)
    assert store.claim_due(clock(), PACE.lease, repeatable=True) is not None
    clock.forward(hours=1)
    await Mailer(store, Outbox(tmp_path / "outbox", sender, clock), clock, PACE).hand_over_due()
    assert statuses(store) == [Status.SENT]
    assert len(list((tmp_path / "outbox").iterdir())) == 1


async def test_several_mailers_on_one_store_send_each_mail_once(
    post: Any, store: ScheduleStore, scheduled: Scheduled, sender: Sender, clock: Any, tmp_path: Path
) -> None:
    for number in range(20):
        scheduled(0, workflow=f"w{number}")
    stores = [ScheduleStore.in_folder(tmp_path / "send_email", NO_CAPS) for _ in range(3)]
    handover = SmtpHandover(post.relay, sender, clock)
    counts = await asyncio.gather(*(Mailer(each, handover, clock, PACE).hand_over_due() for each in stores))
    assert sum(counts) == 20
    assert len({message["Message-ID"] for message in post.taken}) == len(post.taken) == 20
    for each in stores:
        each.close()


class Breaking:
    """A handover with a fault of its own."""

    repeatable = False

    async def deliver(self, mail: Mail) -> Outcome:
        raise ZeroDivisionError


async def test_a_handover_that_breaks_off_leaves_its_mail_unknown_and_the_mailer_running(
    store: ScheduleStore, scheduled: Scheduled, clock: Any
) -> None:
    scheduled(0)
    await Mailer(store, Breaking(), clock, PACE).hand_over_due()
    (progress,) = store.progress()
    assert progress.status is Status.UNKNOWN
    assert "ZeroDivisionError" in progress.reason


class Flaky(ScheduleStore):
    """A store that is away the first time."""

    away = True

    def resolve_abandoned(self, now: Any) -> int:
        if self.away:
            self.away = False
            raise Unavailable("schedule store", "away")
        return super().resolve_abandoned(now)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_store_that_is_away_for_a_moment_does_not_stop_the_mailer(
    scheduled: Scheduled, sender: Sender, clock: Any, tmp_path: Path, store: ScheduleStore
) -> None:
    scheduled(0)
    flaky = Flaky.in_folder(tmp_path / "send_email", NO_CAPS)
    mailer = Mailer(flaky, Outbox(tmp_path / "outbox", sender, clock), clock, PACE)
    running = asyncio.create_task(mailer.run())
    await until(lambda: statuses(store) == [Status.SENT])
    mailer.stop()
    await running
    flaky.close()


class Forgetful(ScheduleStore):
    """A store that is away when the first outcome comes."""

    away = True

    def settle(self, claim: Claim, status: Status, reason: str = "") -> None:
        if self.away:
            self.away = False
            raise Unavailable("schedule store", "away")
        super().settle(claim, status, reason)


async def test_an_outcome_that_comes_while_the_store_is_away_is_written_down_when_it_is_back(
    scheduled: Scheduled, sender: Sender, clock: Any, tmp_path: Path, store: ScheduleStore, post: Any
) -> None:
    scheduled(0)
    forgetful = Forgetful.in_folder(tmp_path / "send_email", NO_CAPS)
    await Mailer(forgetful, SmtpHandover(post.relay, sender, clock), clock, PACE).hand_over_due()
    assert statuses(store) == [Status.SENT]
    assert not forgetful.away
    assert len(post.taken) == 1
    forgetful.close()


class Waiting:
    """A handover that is under way until it is let go."""

    repeatable = False

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.go = asyncio.Event()

    async def deliver(self, mail: Mail) -> Outcome:
        self.begun.set()
        await self.go.wait()
        return Delivered()


async def test_a_mailer_that_is_stopped_ends_its_handovers_and_begins_none(
    store: ScheduleStore, scheduled: Scheduled, clock: Any
) -> None:
    scheduled(0, 0 + 1)
    handover = Waiting()
    mailer = Mailer(store, handover, clock, PACE)
    running = asyncio.create_task(mailer.run())
    await asyncio.wait_for(handover.begun.wait(), 10)
    mailer.stop()
    handover.go.set()
    await running
    assert statuses(store) == [Status.SENT, Status.SCHEDULED]


def test_the_mailer_and_its_routes_belong_to_the_agent(store: ScheduleStore, tmp_path: Path) -> None:
    agent = make_agent(MailSettings(data_dir=tmp_path), store)
    assert isinstance(agent.background, Mailer)
    assert agent.report_to == agent.background.report_to
    paths = {getattr(route, "path", None) for routes in agent.routes for route in routes.routes}
    assert paths >= {"/mails", "/campaigns/cancel", "/recipients/suppress", "/confirm/{token}"}


async def test_the_listing_shows_how_far_the_mails_of_a_lead_are(
    store: ScheduleStore, scheduled: Scheduled
) -> None:
    scheduled(0, 72)
    app = FastAPI()
    app.include_router(listing_routes(store))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as client:
        mails = (await client.get("/mails", params={"lead": "lead-1"})).json()
        assert [mail["status"] for mail in mails] == ["scheduled", "scheduled"]
        assert "ada@" not in str(mails)
        assert (await client.get("/mails", params={"lead": "lead-2"})).json() == []
        assert (await client.get("/mails", params={"limit": 0})).status_code == 422


def test_the_clock_is_in_utc_and_to_the_millisecond() -> None:
    now = utc_now()
    assert now.utcoffset() == timedelta(0)
    assert now.microsecond % 1000 == 0


async def test_an_opening_whose_link_cannot_be_made_just_now_goes_later(
    post: Any, store: ScheduleStore, sender: Sender, clock: Any, a_mail: Callable[..., Mail]
) -> None:
    away = True

    def link(campaign_id: str) -> str:
        if away:
            raise Unavailable("state store", "the link's key can't be read")
        return f"https://larkspan.example/confirm/{campaign_id}"

    smtp = SmtpHandover(post.relay, sender, clock, timeout_s=5)
    mailer = Mailer(store, smtp, clock, PACE, Opening(link=link))
    store.keep_first(Schedule("w-1", "c-w-1", "NURTURE", "lead-1", (a_mail("w-1-0"),)), clock())
    await mailer.hand_over_due()
    (waiting,) = store.progress()
    assert (waiting.status, post.taken) == (Status.SCHEDULED, [])
    assert "the link's key can't be read" in waiting.reason

    away = False
    clock.forward(minutes=2)
    await mailer.hand_over_due()
    (opening,) = post.taken
    assert "https://larkspan.example/confirm/c-w-1" in opening.get_content()
