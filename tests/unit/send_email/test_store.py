from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sql

from postgres_server import connect, text_of
from send_email.consent import Consent
from send_email.mails import Mail, Schedule, Status
from send_email.policy import Policy
from send_email.recipients import Recipient
from send_email.store import ScheduleStore
from signalbox.protocol.errors import ConfigurationError, SignalboxError, Unavailable

START = datetime(2030, 5, 6, 7, 8, 9, tzinfo=UTC)
NO_CAPS = Policy(per_hour=10_000, per_day=10_000, per_month=10_000)
LEASE = timedelta(seconds=120)
Scheduled = Callable[..., Schedule]


@pytest.fixture
def store(database_url: str) -> Iterator[ScheduleStore]:
    made = ScheduleStore(database_url, NO_CAPS)
    yield made
    made.close()


def test_a_schedule_comes_back_as_it_was_made(store: ScheduleStore, scheduled: Scheduled) -> None:
    made = scheduled(0, 72, 168, recipient_name="佐藤 花子", body="漢字\n")
    assert store.find("w-1") == made
    assert store.find("w-2") is None


def test_the_second_schedule_of_a_workflow_is_not_kept(
    store: ScheduleStore, scheduled: Scheduled, a_mail: Callable[..., Mail]
) -> None:
    first = scheduled(0, 72)
    second = Schedule("w-1", "c-other", "ACTIVE_OUTREACH", "lead-1", (a_mail("x-1", campaign_id="c-other"),))
    assert store.keep_first(second, START) == first
    assert len(store.progress()) == 2


def test_only_mails_that_are_due_are_claimed_the_oldest_first(
    store: ScheduleStore, scheduled: Scheduled, clock: Any
) -> None:
    for hours in (2, 0, 1):
        scheduled(hours, workflow=f"w{hours}")
    clock.forward(hours=1)
    claimed = []
    while claim := store.claim_due(clock(), LEASE, repeatable=False):
        claimed.append(claim.mail.message_id)
    assert claimed == ["w0-0@larkspan.example", "w1-1@larkspan.example"]


def test_a_claimed_mail_is_nobody_elses(
    store: ScheduleStore, scheduled: Scheduled, clock: Any, database_url: str
) -> None:
    scheduled(0)
    other = ScheduleStore(database_url, NO_CAPS)
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


def test_of_many_replicas_that_schedule_a_workflow_at_once_one_counts(
    store: ScheduleStore, database_url: str, a_mail: Callable[..., Mail]
) -> None:
    start = Barrier(4)

    def schedule(number: int) -> list[Schedule]:
        own, kept = ScheduleStore(database_url, NO_CAPS), []
        for one in range(15):
            mails = tuple(
                a_mail(f"w{one}-{part}", campaign_id=f"c-{one}", subject=str(number)) for part in range(3)
            )
            start.wait(60)
            kept.append(own.keep_first(Schedule(f"w-{one}", f"c-{one}", "NURTURE", "lead-1", mails), START))
        own.close()
        return kept

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(schedule, range(4))
    assert all(other == first for other in others)
    assert len(store.progress()) == 45


def test_replicas_that_claim_at_once_pass_over_each_others_mails(
    store: ScheduleStore, scheduled: Scheduled, clock: Any, database_url: str
) -> None:
    for number in range(40):
        scheduled(0, workflow=f"w{number}", recipient=f"ada{number % 7}@fjord.example")
    start = Barrier(4)

    def claim_all(_: int) -> list[str]:
        own, claimed = ScheduleStore(database_url, NO_CAPS), []
        start.wait(60)
        while claim := own.claim_due(clock(), LEASE, repeatable=False):
            claimed.append(claim.mail.message_id)
        own.close()
        return claimed

    with ThreadPoolExecutor(4) as pool:
        claimed = [ident for each in pool.map(claim_all, range(4)) for ident in each]
    assert len(claimed) == len(set(claimed)) == 40


def test_a_mail_that_another_replica_is_claiming_just_now_does_not_hide_the_next(
    postgres: sql.URL, a_mail: Callable[..., Mail], clock: Any
) -> None:
    impatient = {"options": f"{postgres.query['options']} -clock_timeout=5000"}
    store = ScheduleStore(text_of(postgres.update_query_dict(impatient)), NO_CAPS)
    Consent(store).confirm(Recipient.of("ada@fjord.example"), "operator", START)
    first, second = a_mail("w-1-0"), a_mail("w-1-1", scheduled_at=clock() + timedelta(hours=1))
    mails = tuple(replace(mail, campaign_id="c") for mail in (first, second))
    store.keep_first(Schedule("w-1", "c", "NURTURE", "lead-1", mails), START)
    clock.forward(hours=1)
    with connect(postgres) as other, other.transaction():
        other.execute("SELECT * FROM mails ORDER BY due_at LIMIT 1 FOR UPDATE")
        claim = store.claim_due(clock(), LEASE, repeatable=False)
    assert claim is not None
    assert claim.mail == mails[1]
    store.close()


def test_a_nul_in_a_mail_becomes_a_blank(store: ScheduleStore, scheduled: Scheduled) -> None:
    scheduled(0, subject="a\0b", body="c\0d", recipient_name="e\0f")
    kept = store.find("w-1")
    assert kept is not None
    assert [(mail.subject, mail.body, mail.recipient_name) for mail in kept.mails] == [("a b", "c d", "e f")]


def test_ids_of_another_workflow_are_a_fault_that_quotes_no_mail(
    store: ScheduleStore, scheduled: Scheduled
) -> None:
    made = scheduled(0)
    with pytest.raises(SignalboxError, match="another workflow") as raised:
        store.keep_first(replace(made, correlation_id="w-2"), START)
    assert raised.value.__cause__ is None
    assert not isinstance(raised.value, Unavailable)


def test_a_store_that_cannot_be_written_is_unavailable(
    store: ScheduleStore, scheduled: Scheduled, database_url: str
) -> None:
    made = scheduled(0)
    engine = sql.create_engine(database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE mails")
    engine.dispose()
    with pytest.raises(Unavailable):
        store.keep_first(replace(made, correlation_id="w-2", campaign_id="c-2"), START)


def test_an_address_of_a_database_that_is_none_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="MAIL_SCHEDULE_URL"):
        ScheduleStore("nonsense")


def test_since_when_a_mail_is_put_off_is_kept_until_all_is_forgotten(
    store: ScheduleStore, database_url: str
) -> None:
    later = START + timedelta(hours=5)
    assert store.deferrals.since("m-1", START) == START
    other = ScheduleStore(database_url, NO_CAPS)
    assert other.deferrals.since("m-1", later) == START
    assert other.deferrals.since("m-2", later) == later
    other.deferrals.forget_all()
    other.close()
    assert store.deferrals.since("m-1", later) == later
