"""Held mails as an attacker, an outage and a slow clock would have them."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sql

from send_email.campaigns import Campaigns, Wanted
from send_email.consent import Consent
from send_email.mails import Claim, Mail, Schedule, Status
from send_email.policy import Policy, has_room
from send_email.recipients import Recipient
from send_email.rows import campaign_row, mail_rows
from send_email.store import ScheduleStore
from send_email.tables import CAMPAIGNS, MAILS, PLACES

START = datetime(2030, 5, 6, 7, 8, 9, tzinfo=UTC)
LEASE = timedelta(seconds=120)
VICTIM = "victim@fjord.example"
CONFIRMED = Recipient.of(VICTIM)


@pytest.fixture
def store(database_url: str) -> Iterator[ScheduleStore]:
    made = ScheduleStore(database_url)
    yield made
    made.close()


@pytest.fixture
def lead(store: ScheduleStore, clock: Any, a_mail: Callable[..., Mail]) -> Callable[..., Schedule]:
    """Schedule a campaign for a lead that names ``to``."""

    def put(number: int, *hours: float, to: str = VICTIM, into: ScheduleStore = store) -> Schedule:
        mails = tuple(
            a_mail(
                f"w{number}-{ordinal}",
                campaign_id=f"c{number}",
                lead_id=f"lead-{number}",
                recipient=to,
                recipient_name="Your account is locked",
                subject="Call 0900",
                scheduled_at=clock() + timedelta(hours=hour),
            )
            for ordinal, hour in enumerate(hours or (0,))
        )
        schedule = Schedule(f"w{number}", f"c{number}", "NURTURE", f"lead-{number}", mails)
        return into.keep_first(schedule, clock())

    return put


def claims(store: ScheduleStore, clock: Any) -> list[Claim]:
    """Hand over what is due."""
    found = []
    store.look_at_held(clock())
    while claim := store.claim_due(clock(), LEASE, repeatable=False):
        store.settle(claim, Status.SENT)
        found.append(claim)
    return found


def days_pass(store: ScheduleStore, clock: Any, days: int) -> list[tuple[datetime, Claim]]:
    """Hand over what is due, each hour in which something may be."""
    found = []
    end = clock() + timedelta(days=days)
    waits = MAILS.c.status.in_([Status.SCHEDULED, Status.HELD])
    while clock() < end:
        found += [(clock(), claim) for claim in claims(store, clock)]
        with store.writing() as transaction:
            due = transaction.connection.execute(
                sql.select(sql.func.min(MAILS.c.due_at)).where(waits)
            ).scalar()
        clock.forward(hours=1)
        clock.now = max(clock(), end if due is None else min(end, datetime.fromtimestamp(due, UTC)))
    return found


def held(store: ScheduleStore) -> list[str]:
    return [
        mail.reason.partition(":")[0] for mail in store.progress(limit=1000) if mail.status is Status.HELD
    ]


def texts(found: list[Claim]) -> list[bool]:
    return [claim.opening for claim in found]


SPELLINGS = (
    "victim@fjord.example",
    "Victim@Fjord.Example",
    "victim+a@fjord.example",
    "VICTIM+b@fjord.EXAMPLE",
)


def test_a_hundred_leads_that_name_one_unconfirmed_person_give_one_mail_without_their_words(
    store: ScheduleStore, lead: Callable[..., Schedule], clock: Any
) -> None:
    for number in range(100):
        lead(number, 0, 72, 168, to=SPELLINGS[number % 4])
    found = [claim for _, claim in days_pass(store, clock, 10)]
    assert texts(found) == [True]
    (mail,) = (claim.mail for claim in found)
    assert (mail.recipient_name, mail.subject, mail.body, mail.lead_id) == ("", "", "", "c0")
    assert "locked" not in str(mail)
    assert held(store) == ["unconfirmed"] * 299


@pytest.mark.parametrize(
    "spellings",
    [
        ("v.ictim@gmail.com", "vic.tim@gmail.com", "victim+x@googlemail.com", "V.I.C.T.I.M@GMAIL.COM"),
        ("info@müller.example", "INFO@MÜLLER.example", "info@xn--mller-kva.example", "info+1@Müller.Example"),
    ],
)
def test_spellings_of_one_address_are_one_person(
    store: ScheduleStore, lead: Callable[..., Schedule], clock: Any, spellings: tuple[str, ...]
) -> None:
    for number, to in enumerate(spellings):
        lead(number, to=to)
    assert texts(claims(store, clock)) == [True]
    assert held(store) == ["unconfirmed"] * 3


def test_a_person_who_confirmed_gets_no_more_than_the_caps_and_the_rest_expires(
    store: ScheduleStore, lead: Callable[..., Schedule], clock: Any
) -> None:
    Consent(store).confirm(CONFIRMED, "operator", START)
    for number in range(8):
        lead(number, 0, 72, 168)
    went = [at.timestamp() for at, _ in days_pass(store, clock, 45)]
    assert 3 <= len(went) <= 10 + 3
    for window, most in Policy().caps:
        assert all(sum(0 <= other - at < window for other in went) <= most for at in went)
    assert max(went) <= (START + timedelta(hours=168 + 72 + 1)).timestamp()
    assert held(store) == []
    statuses = {mail.status for mail in store.progress(limit=1000)}
    assert statuses == {Status.SENT, Status.EXPIRED}


def test_a_mail_that_waits_for_a_place_goes_when_there_is_one(
    store: ScheduleStore, lead: Callable[..., Schedule], clock: Any
) -> None:
    Consent(store).confirm(CONFIRMED, "operator", START)
    for number in range(4):
        lead(number)
    assert len(claims(store, clock)) == 2  # an hour's
    assert held(store) == ["cap"] * 2
    assert [at - START for at, _ in days_pass(store, clock, 2)] == [timedelta(hours=1), timedelta(hours=24)]


def test_a_held_mail_does_not_let_the_next_of_its_campaign_overtake_it(
    store: ScheduleStore, lead: Callable[..., Schedule], clock: Any
) -> None:
    Consent(store).confirm(CONFIRMED, "operator", START)
    lead(0, 0, 0, 12)
    lead(1, 0, 30)
    went = days_pass(store, clock, 6)
    of_second = [(at - START, claim.mail.message_id) for at, claim in went if claim.mail.campaign_id == "c1"]
    assert [ident for _, ident in of_second] == ["w1-0@larkspan.example", "w1-1@larkspan.example"]
    assert of_second[1][0] - of_second[0][0] >= timedelta(hours=30)


def test_a_domain_gets_no_more_than_its_cap_a_day_and_says_so(
    database_url: str, lead: Callable[..., Schedule], clock: Any
) -> None:
    store = ScheduleStore(database_url, Policy(domain_per_day=5))
    for number in range(8):
        lead(number, to=f"person{number}@fjord.example", into=store)
    lead(9, to="somebody@other.example", into=store)
    assert len(claims(store, clock)) == 6
    assert held(store) == ["cap"] * 3
    assert len(days_pass(store, clock, 2)) == 3
    store.close()


@pytest.mark.parametrize("replicas", [4])
def test_replicas_and_threads_that_schedule_at_once_do_not_take_the_last_place_twice(
    database_url: str, lead: Callable[..., Schedule], clock: Any, replicas: int
) -> None:
    start = Barrier(replicas)
    with ScheduleStoreOf(database_url) as store:
        Consent(store).confirm(CONFIRMED, "operator", START)

    def schedule(replica: int) -> None:
        with ScheduleStoreOf(database_url) as own:
            start.wait(60)
            for one in range(10):
                lead(replica * 100 + one, to=SPELLINGS[one % 4], into=own)
                lead(replica * 100 + 50 + one, to=f"new{one}@fjord.example", into=own)

    with ThreadPoolExecutor(replicas) as pool:
        list(pool.map(schedule, range(replicas)))
    with ScheduleStoreOf(database_url) as store:
        found = claims(store, clock)
    to_victim = [claim for claim in found if claim.mail.recipient in SPELLINGS]
    assert len(to_victim) == Policy().per_hour
    others = [claim.mail.recipient for claim in found if claim.mail.recipient not in SPELLINGS]
    assert sorted(others) == sorted(f"new{one}@fjord.example" for one in range(10))


class ScheduleStoreOf(ScheduleStore):
    """A store that is closed at the end of a block."""

    def __enter__(self) -> "ScheduleStoreOf":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def test_a_confirmation_lets_the_drafts_go_with_their_spacing_from_then_on(
    store: ScheduleStore, lead: Callable[..., Schedule], clock: Any
) -> None:
    made = lead(0, 0, 72, 168)
    assert texts(claims(store, clock)) == [True]
    clock.forward(days=10)
    assert claims(store, clock) == []
    assert Consent(store).confirm(CONFIRMED, "recipient", clock())
    assert not Consent(store).confirm(CONFIRMED, "recipient", clock())
    confirmed = clock()
    went = days_pass(store, clock, 10)
    assert [at - confirmed for at, _ in went] == [timedelta(0), timedelta(hours=72), timedelta(hours=168)]
    assert [claim.mail.subject for _, claim in went] == ["Call 0900"] * 3
    ids = [claim.mail.message_id for _, claim in went]
    assert ids[1:] == [mail.message_id for mail in made.mails[1:]]
    assert len({ids[0], *(mail.message_id for mail in made.mails)}) == 4
    assert store.find("w0") == made


def test_a_mail_is_not_given_up_for_the_time_that_it_waited_for_its_confirmation(
    store: ScheduleStore, lead: Callable[..., Schedule], clock: Any
) -> None:
    lead(0, 0, 1)
    claims(store, clock)
    clock.forward(days=20)
    Consent(store).confirm(CONFIRMED, "recipient", clock())
    (claim,) = claims(store, clock)
    assert claim.mail.scheduled_at == clock()


def test_confirmed_between_claim_and_outcome_the_draft_goes_once_and_the_opening_is_not_repeated(
    store: ScheduleStore, lead: Callable[..., Schedule], clock: Any
) -> None:
    lead(0, 0)
    claim = store.claim_due(clock(), LEASE, repeatable=False)
    assert claim is not None
    assert claim.opening
    Consent(store).confirm(CONFIRMED, "recipient", clock())
    store.put_back(claim, clock(), "451 later")
    assert [(one.opening, one.mail.subject) for one in claims(store, clock)] == [(False, "Call 0900")]
    assert {mail.status for mail in store.progress()} == {Status.CANCELLED, Status.SENT}


def test_confirmed_before_the_opening_went_only_the_draft_goes(
    store: ScheduleStore, lead: Callable[..., Schedule], clock: Any
) -> None:
    lead(0, 1, 2)
    Consent(store).confirm(CONFIRMED, "operator", clock())
    assert [claim.mail.subject for _, claim in days_pass(store, clock, 2)] == ["Call 0900"] * 2
    assert len(store.progress()) == 2


def test_what_nobody_confirms_expires_and_a_late_confirmation_sends_nothing_old(
    store: ScheduleStore, lead: Callable[..., Schedule], clock: Any
) -> None:
    lead(0, 0, 72)
    claims(store, clock)
    clock.forward(days=40)
    assert claims(store, clock) == []
    assert [mail.status for mail in store.progress()] == [Status.SENT, Status.EXPIRED]
    Consent(store).confirm(CONFIRMED, "operator", clock())
    assert claims(store, clock) == []
    assert "expired" in store.progress()[1].reason


def test_an_unconfirmed_person_is_asked_again_after_thirty_days_at_the_earliest(
    store: ScheduleStore, lead: Callable[..., Schedule], clock: Any
) -> None:
    asked = []
    for day in range(65):
        lead(day)
        asked += [day for _ in claims(store, clock)]
        clock.forward(days=1)
    assert asked == [0, 30, 60]


def test_a_clock_that_was_set_back_frees_no_place(
    store: ScheduleStore, lead: Callable[..., Schedule], clock: Any
) -> None:
    Consent(store).confirm(CONFIRMED, "operator", START)
    clock.forward(hours=2)
    for number in range(3):
        lead(number)
        claims(store, clock)
        clock.forward(minutes=31)
    clock.now = START
    lead(4)
    assert claims(store, clock) == []


def test_a_clock_that_was_set_back_asks_no_unconfirmed_person_twice(
    store: ScheduleStore, lead: Callable[..., Schedule], clock: Any
) -> None:
    clock.forward(days=20)
    lead(0)
    assert len(claims(store, clock)) == 1
    clock.now = START
    lead(1)
    assert claims(store, clock) == []


@pytest.mark.parametrize("pattern", ["VICTIM+news@fjord.example", "@fjord.example", "@FJORD.example"])
def test_a_suppressed_recipient_gets_nothing_neither_old_nor_new_mails(
    store: ScheduleStore, lead: Callable[..., Schedule], clock: Any, pattern: str
) -> None:
    Consent(store).confirm(CONFIRMED, "operator", START)
    lead(0, 0, 72)
    assert Consent(store).suppress(pattern, "asked us to stop", clock())
    assert not Consent(store).suppress(pattern, "asked us to stop", clock())
    lead(1, 0)
    lead(2, 0, to="other@elsewhere.example")
    assert [claim.mail.recipient for claim in claims(store, clock)] == ["other@elsewhere.example"]
    assert {mail.status for mail in store.progress("lead-0")} == {Status.SUPPRESSED}
    assert "suppressed" in store.progress("lead-1")[0].reason
    assert [one["why"] for one in Consent(store).suppressions()] == ["asked us to stop"]
    assert Consent(store).unsuppress(pattern)
    assert not Consent(store).unsuppress(pattern)
    lead(3, 0)
    assert texts(claims(store, clock)) == [True]  # what was confirmed is forgotten


@pytest.mark.parametrize("pattern", ["@gmail.com", "@googlemail.com"])
@pytest.mark.parametrize("to", ["vic.tim@gmail.com", "victim@googlemail.com"])
def test_a_domain_of_two_names_is_suppressed_by_either(
    store: ScheduleStore, lead: Callable[..., Schedule], clock: Any, pattern: str, to: str
) -> None:
    Consent(store).suppress(pattern, "asked us to stop", clock())
    lead(0, to=to)
    assert claims(store, clock) == []


def test_a_suppressed_domain_has_those_below_it_but_not_its_namesakes() -> None:
    assert "@fjord.example" in Recipient.of("a@mail.fjord.example").patterns
    assert "@fjord.example" not in Recipient.of("a@notfjord.example").patterns


def test_a_cancelled_campaign_goes_no_further_and_what_is_under_way_is_finished_once(
    store: ScheduleStore, lead: Callable[..., Schedule], clock: Any
) -> None:
    Consent(store).confirm(CONFIRMED, "operator", START)
    made = lead(0, 0, 72)
    claim = store.claim_due(clock(), LEASE, repeatable=False)
    assert claim is not None
    (state,) = Campaigns(store).cancel(Wanted("lead-0"), "wrong person", clock())
    assert (state.cancelled, state.mails) == (True, {"handing_over": 1, "cancelled": 1})
    store.put_back(claim, clock(), "451 later")
    assert days_pass(store, clock, 5) == []
    (again,) = Campaigns(store).cancel(Wanted("c0"), "", clock())
    assert again.mails == {"cancelled": 2}
    assert lead(0, 0, 72) == made  # the workflow comes again: the same answer, and nothing goes
    assert claims(store, clock) == []
    assert (again.why, {mail.reason for mail in store.progress()}) == (
        "wrong person",
        {"an operator cancelled the campaign"},
    )


def test_all_campaigns_to_a_person_are_cancelled_by_any_spelling(
    store: ScheduleStore, lead: Callable[..., Schedule], clock: Any
) -> None:
    for number in range(4):
        lead(number, 0, 72, to=SPELLINGS[number])
    lead(5, 0, to="other@fjord.example")
    wanted = Wanted(recipient=Recipient.of("Victim+z@fjord.example"))
    assert len(Campaigns(store).cancel(wanted, "", clock())) == 4
    assert [claim.mail.recipient for claim in claims(store, clock)] == ["other@fjord.example"]
    Consent(store).confirm(CONFIRMED, "operator", clock())
    assert days_pass(store, clock, 5) == []


def test_cancelling_what_is_not_there_finds_nothing(store: ScheduleStore, clock: Any) -> None:
    assert Campaigns(store).cancel(Wanted("lead-77"), "", clock()) == []


def test_after_an_outage_mails_keep_their_spacing(
    store: ScheduleStore, lead: Callable[..., Schedule], clock: Any
) -> None:
    Consent(store).confirm(CONFIRMED, "operator", START)
    lead(0, 0, 72, 168)
    clock.forward(days=10)
    back = clock()
    went = days_pass(store, clock, 10)
    assert [at - back for at, _ in went] == [timedelta(0), timedelta(hours=72), timedelta(hours=168)]


def test_a_store_from_before_is_opened_and_its_mails_are_decided_about(
    database_url: str, clock: Any, a_mail: Callable[..., Mail]
) -> None:
    sent, waits = a_mail("w-0", recipient=VICTIM), a_mail("w-1", recipient=VICTIM)
    mails = tuple(replace(mail, campaign_id="c") for mail in (sent, waits))
    old = Schedule("w", "c", "NURTURE", "lead-1", mails)
    fresh = Schedule("v", "d", "NURTURE", "lead-2", (a_mail("v-0", campaign_id="d", recipient="no address"),))
    engine = sql.create_engine(database_url)
    with engine.begin() as connection:
        CAMPAIGNS.create(connection)
        MAILS.create(connection)
        for schedule in (old, fresh):
            connection.execute(sql.insert(CAMPAIGNS), campaign_row(schedule))
            connection.execute(sql.insert(MAILS), mail_rows(schedule))
        connection.execute(
            sql.update(MAILS).where(MAILS.c.message_id == sent.message_id).values(status="sent")
        )
    engine.dispose()
    with ScheduleStoreOf(database_url) as store:
        assert store.find("w") == old
        assert store.claim_due(clock(), LEASE, repeatable=False) is None
        store.plan_unplanned(clock(), due=True)
        assert [claim.mail.message_id for claim in claims(store, clock)] == ["v-0@larkspan.example"]
        assert {mail.message_id: mail.status for mail in store.progress()} == {
            "v-0@larkspan.example": Status.SENT,
            sent.message_id: Status.SENT,
            waits.message_id: Status.HELD,
        }
        with store.writing() as transaction:
            taken = transaction.connection.execute(sql.select(PLACES.c.message_id)).scalars().all()
        assert sent.message_id in taken


@pytest.mark.parametrize(
    ("taken", "at", "room"),
    [
        ([], 0.0, True),
        ([0.0, 1.0], 2.0, False),
        ([0.0, 1.0], 10.0, True),
        ([0.0, 19.0], 10.0, True),
        ([5.0, 14.0], 10.0, False),  # 5, 10 and 14 are in one window, though none begins or ends at 10
        ([11.0, 12.0], 10.0, False),
        ([0.0, 1.0, 2.0], 30.0, True),  # others that are too many do not count against this one
    ],
)
def test_every_window_counts_wherever_it_begins(taken: list[float], at: float, room: bool) -> None:
    assert has_room(taken, at, [(10.0, 2)]) is room


def test_a_mail_behind_a_held_one_takes_no_place_that_is_taken(
    store: ScheduleStore, lead: Callable[..., Schedule], clock: Any
) -> None:
    Consent(store).confirm(CONFIRMED, "operator", START)
    lead(0, 0, 0, 72.5, 72.5)
    lead(1, 0, 72.5)
    assert held(store) == ["cap"] * 2


def test_mails_of_one_moment_are_claimed_side_by_side_though_the_claims_take_a_moment(
    database_url: str, lead: Callable[..., Schedule], clock: Any
) -> None:
    with ScheduleStoreOf(database_url) as store:
        Consent(store).confirm(CONFIRMED, "operator", START)
        lead(0, 0, 0, into=store)
        later = clock() + timedelta(seconds=1)
        assert store.claim_due(later, LEASE, repeatable=False) is not None
        assert store.claim_due(clock(), LEASE, repeatable=False) is not None
