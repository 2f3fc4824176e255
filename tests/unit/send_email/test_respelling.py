"""A store whose recipients were keyed by older rules: no suppression is lost, and caps count one person."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from send_email.consent import Consent
from send_email.mails import Schedule
from send_email.recipients import Recipient, pattern_of
from send_email.respelling import respell
from send_email.store import ScheduleStore
from send_email.tables import PLACES, PLANS, RECIPIENTS, SUPPRESSIONS

Scheduled = Callable[..., Schedule]
OLD, NEW = "v.ic-tim@protonmail.com", "victim@proton.me"


def keyed_as_before(store: ScheduleStore) -> None:
    with store.writing() as transaction:
        for table in (PLANS, PLACES, RECIPIENTS):
            old = update(table).where(table.c.recipient_key == NEW)
            transaction.connection.execute(old.values(recipient_key=OLD))
        for table in (PLACES, RECIPIENTS):
            old = update(table).where(table.c.recipient_key == OLD)
            transaction.connection.execute(old.values(domain="protonmail.com"))
    store._respelled = False


def stored(store: ScheduleStore, column: Any) -> set[str]:
    with store.reading() as connection:
        return {one for one in connection.execute(select(column)).scalars() if not one.startswith("@")}


def test_mails_and_places_of_a_person_get_the_key_that_the_address_has_now(
    store: ScheduleStore, scheduled: Scheduled, clock: Any
) -> None:
    scheduled(0, 2, recipient=OLD)
    keyed_as_before(store)
    assert stored(store, PLANS.c.recipient_key) == {OLD}
    assert Consent(store).suppress("vic.tim@pm.me", "asked us", clock())
    for column in (PLANS.c.recipient_key, RECIPIENTS.c.recipient_key):
        assert stored(store, column) == {NEW}
    assert OLD not in stored(store, PLACES.c.recipient_key)
    assert {one.status for one in store.progress("lead-1")} == {"suppressed"}


@pytest.mark.parametrize("pattern", [OLD, "@protonmail.com", "@pm.me"])
def test_a_suppression_from_before_holds_for_every_spelling(
    store: ScheduleStore, scheduled: Scheduled, clock: Any, pattern: str
) -> None:
    with store.writing() as transaction:
        row = {"pattern": pattern, "why": "asked us", "since": 1.0}
        transaction.connection.execute(insert(SUPPRESSIONS), row)
    store._respelled = False
    scheduled(0, 2, recipient="vi.ctim@pm.me")
    assert {one.status for one in store.progress("lead-1")} == {"suppressed"}
    assert [one["pattern"] for one in Consent(store).suppressions()] == [pattern_of(pattern)]


def test_a_person_who_has_both_keys_keeps_what_is_known_under_the_new_one(store: ScheduleStore) -> None:
    with store.writing() as transaction:
        connection = transaction.connection
        for key, confirmed in ((OLD, 1.0), (NEW, None), ("ada@x.example", 2.0)):
            row = {"recipient_key": key, "domain": key.rpartition("@")[2], "confirmed_at": confirmed}
            connection.execute(insert(RECIPIENTS), row)
        for _ in range(2):
            respell(connection)
        known = {row.recipient_key: row.confirmed_at for row in connection.execute(select(RECIPIENTS))}
    assert known == {NEW: None, "ada@x.example": 2.0}


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("@ada.fastmail.com", "ada@fastmail.com"),
        ("@any.fastmail.com", "any@fastmail.com"),
        ("@anyone.fastmail.com", "anyone@fastmail.com"),
        ("@fastmail.com", "@fastmail.com"),
        ("@googlemail.com", "@gmail.com"),
        ("@Fjord.Example", "@fjord.example"),
    ],
)
def test_a_domain_that_is_one_users_own_is_that_person(text: str, pattern: str) -> None:
    assert pattern_of(text) == pattern


def test_a_stored_key_is_its_own_recipient() -> None:
    assert Recipient.of(Recipient.of(OLD).key) == Recipient.of(OLD) == Recipient(NEW, "proton.me")
