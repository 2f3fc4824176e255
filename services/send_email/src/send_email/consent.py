"""Who may be written to: addresses that their owners confirmed, and those that get no mail."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, delete, insert, or_, select

from send_email.mails import GIVEN_AWAY, OPEN, Kind
from send_email.placing import Placing
from send_email.queries import insert_unless_there, planned_mails
from send_email.recipients import Recipient, pattern_of
from send_email.rows import moment_of, resumed_mail, resumed_plan, seconds_of
from send_email.store import ScheduleStore
from send_email.tables import MAILS, PLANS, RECIPIENTS, SUPPRESSIONS
from send_email.verdicts import Transaction


class Consent:
    """Blocking, as the store is. Each may be done again: it then changes nothing and says so by False."""

    def __init__(self, store: ScheduleStore) -> None:
        self._store = store

    def confirm(self, recipient: Recipient, by: str, now: datetime) -> bool:
        """Confirm an address; the drafts that waited for it go, with their spacing kept."""
        self._store.plan_unplanned(now)
        with self._store.writing() as transaction:
            placing = Placing(transaction, self._store.policy, recipient, seconds_of(now))
            new = placing.confirm(by)
            if new:
                transaction.decisions.append("confirmed")
                _resume(transaction, placing, recipient.key, seconds_of(now))
        return new

    def confirmed(self, recipient: Recipient) -> bool:
        """Say whether the address was confirmed."""
        query = select(RECIPIENTS.c.confirmed_at).where(RECIPIENTS.c.recipient_key == recipient.key)
        with self._store.reading() as connection:
            return connection.execute(query).scalar() is not None

    def suppress(self, text: str, why: str, now: datetime) -> bool:
        """Let an address, or ``@domain`` and all below it, get no mail any more.

        What was confirmed is forgotten, so that taking the suppression back starts from nothing.

        Raises:
            ValueError: ``text`` is neither an address nor ``@domain``.
        """
        pattern = pattern_of(text)
        self._store.plan_unplanned(now)
        with self._store.writing() as transaction:
            row = {"pattern": pattern, "why": why, "since": seconds_of(now)}
            new = insert_unless_there(transaction.connection, SUPPRESSIONS, row)
        for recipient in self._known(pattern):
            with self._store.writing() as transaction:
                placing = Placing(transaction, self._store.policy, recipient, seconds_of(now))
                placing.doubt()
                for mail in _open_mails(transaction, recipient.key):
                    placing.apply(mail, placing.judge(mail))
        return new

    def unsuppress(self, text: str) -> bool:
        """Take a suppression back for the mails to come.

        Raises:
            ValueError: ``text`` is neither an address nor ``@domain``.
        """
        gone = delete(SUPPRESSIONS).where(SUPPRESSIONS.c.pattern == pattern_of(text))
        with self._store.writing() as transaction:
            return transaction.connection.execute(gone).rowcount > 0

    def suppressions(self) -> list[dict[str, Any]]:
        """List who gets no mail, and why."""
        with self._store.reading() as connection:
            rows = connection.execute(select(SUPPRESSIONS).order_by(SUPPRESSIONS.c.pattern)).all()
        return [{"pattern": row.pattern, "why": row.why, "since": moment_of(row.since)} for row in rows]

    def _known(self, pattern: str) -> list[Recipient]:
        domain = pattern.removeprefix("@")
        below = and_(
            ~RECIPIENTS.c.recipient_key.startswith("@"),
            or_(RECIPIENTS.c.domain == domain, RECIPIENTS.c.domain.endswith(f".{domain}", autoescape=True)),
        )
        query = select(RECIPIENTS).where(
            below if pattern.startswith("@") else RECIPIENTS.c.recipient_key == pattern
        )
        with self._store.reading() as connection:
            rows = connection.execute(query.order_by(RECIPIENTS.c.recipient_key)).all()
        return [Recipient(row.recipient_key, row.domain) for row in rows]


def _open_mails(transaction: Transaction, key: str) -> list[Row[Any]]:
    query = planned_mails().where(PLANS.c.recipient_key == key, MAILS.c.status.in_(OPEN))
    return list(transaction.connection.execute(query.order_by(MAILS.c.scheduled_at, MAILS.c.ordinal)))


def _resume(transaction: Transaction, placing: Placing, key: str, now: float) -> None:
    """Let the held drafts go, the first one of each campaign too, in whose place the opening went."""
    query = planned_mails().where(
        PLANS.c.recipient_key == key,
        PLANS.c.kind == Kind.OPENING,
        PLANS.c.held_until > now,
        MAILS.c.status.in_(GIVEN_AWAY),
    )
    for row in transaction.connection.execute(query).all():
        placing.becomes(row, Kind.OPENED)
        transaction.connection.execute(insert(MAILS), resumed_mail(row))
        transaction.connection.execute(insert(PLANS), resumed_plan(row))
    for row in _open_mails(transaction, key):
        if row.kind == Kind.OPENING:
            placing.becomes(row, Kind.DRAFT)
    for row in _open_mails(transaction, key):
        placing.apply(row, placing.judge(row))
