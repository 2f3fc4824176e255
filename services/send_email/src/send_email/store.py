"""The schedule's own store: one schedule per workflow, and each mail's progress (SQLAlchemy Core)."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from send_email.deferrals import Deferrals
from send_email.mails import Claim, Kind, Progress, Schedule, Status
from send_email.placing import Placing
from send_email.policy import Policy
from send_email.queries import planned_mails
from send_email.recipients import Recipient
from send_email.respelling import respell
from send_email.rows import (
    campaign_row,
    mail_of,
    mail_rows,
    moment_of,
    plan_row,
    progress_of,
    seconds_of,
    without_words_of_the_lead,
)
from send_email.tables import CAMPAIGNS, MAILS, METADATA, PLANS, RECIPIENTS
from send_email.verdicts import Go, Transaction
from signalbox.process.databases import Database
from signalbox.protocol.errors import SignalboxError

_A_LOOK: Final = 100
"""How many held mails, and mails without a plan, are looked at in one round."""
_SLACK_S: Final = 60.0
"""How much nearer than planned a mail may go to the one before it: mailers look every second, not at once."""


class ScheduleStore:
    """Blocking; call it from a thread. Every method is durable when it returns.

    Each raises ``Unavailable`` when the database can't be reached or written; nothing is changed then.
    Replicas share one PostgreSQL: a mail that one of them claims is passed over by the others, and what is
    decided about one recipient is decided by one of them at a time.
    """

    def __init__(self, url: str, policy: Policy | None = None) -> None:
        """Open or make the store at the SQLAlchemy ``url``.

        Raises:
            ConfigurationError: when the address can't be used.
        """
        self.policy = policy or Policy()
        self._database = Database(url, METADATA, what="schedule store", variable="MAIL_SCHEDULE_URL")
        self._respelled = False
        self.deferrals = Deferrals(self._database)

    @classmethod
    def in_folder(cls, folder: Path, policy: Policy | None = None) -> "ScheduleStore":
        """Open or make ``schedule.db`` in ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        return cls(f"sqlite:///{folder / 'schedule.db'}", policy)

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """Begin a transaction that decides by what it reads: SQLite's one writer is this one from now on.

        Raises:
            Unavailable: it can't be reached or written; nothing is changed.
        """
        with self._database.begin() as connection:
            if self._database.in_file:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            if not self._respelled:
                respell(connection)
            transaction = Transaction(connection)
            yield transaction
        self._respelled = True
        transaction.count()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Begin a transaction that changes nothing.

        Raises:
            Unavailable: it can't be reached.
        """
        with self._database.begin() as connection:
            yield connection

    def keep_first(self, schedule: Schedule, now: datetime) -> Schedule:
        """Keep ``schedule`` if its workflow has none yet; return the one that holds.

        In the same transaction each mail gets its place under the caps, or is held, or ends.
        """
        try:
            with self.writing() as transaction:
                transaction.connection.execute(insert(CAMPAIGNS), campaign_row(schedule))
                transaction.connection.execute(insert(MAILS), mail_rows(schedule))
                self.plan(transaction, schedule.campaign_id, seconds_of(now))
        except IntegrityError:
            if first := self.find(schedule.correlation_id):
                return first
            # Not the error itself: a database quotes the row, and with it the mail.
            raise SignalboxError("the schedule's ids are another workflow's") from None
        return schedule

    def find(self, correlation_id: str) -> Schedule | None:
        """Return the workflow's schedule as it was first made."""
        with self._database.begin() as connection:
            campaign = connection.execute(
                select(CAMPAIGNS).where(CAMPAIGNS.c.correlation_id == correlation_id)
            ).one_or_none()
            if campaign is None:
                return None
            rows = connection.execute(
                select(MAILS)
                .outerjoin(PLANS, PLANS.c.message_id == MAILS.c.message_id)
                .where(MAILS.c.campaign_id == campaign.campaign_id)
                .where(or_(PLANS.c.kind.is_(None), PLANS.c.kind != Kind.RESUMED))
                .order_by(MAILS.c.ordinal)
            ).all()
        return Schedule(
            correlation_id=campaign.correlation_id,
            campaign_id=campaign.campaign_id,
            campaign_type=campaign.campaign_type,
            lead_id=campaign.lead_id,
            mails=tuple(mail_of(row) for row in rows),
        )

    def claim_due(self, now: datetime, lease: timedelta, *, repeatable: bool) -> Claim | None:
        """Take the mail that has been due for longest; it is ``handing_over`` durably on return.

        What was decided about it is decided once more: it may have been cancelled or suppressed since, the
        recipient may have confirmed, and after an outage its time may be too near to other mails.
        """
        while True:
            with self.writing() as transaction:
                row = self._next_due(transaction, seconds_of(now))
                if row is None:
                    return None
                placing = self.placing(transaction, row, seconds_of(now))
                verdict = placing.judge(row)
                if isinstance(verdict, Go) and verdict.at <= seconds_of(now) + _SLACK_S:
                    placing.go_now(row)
                    return _claimed(transaction, row, placing, seconds_of(now + lease), repeatable=repeatable)
                placing.apply(row, verdict)

    def settle(self, claim: Claim, status: Status, reason: str = "") -> None:
        """Write down how a handover ended."""
        self._update(claim, status=status, reason=reason)

    def put_back(self, claim: Claim, due_at: datetime, reason: str) -> None:
        """Let a mail that was certainly not taken be tried again at ``due_at``."""
        self._update(claim, status=Status.SCHEDULED, due_at=seconds_of(due_at), reason=reason)

    def resolve_abandoned(self, now: datetime) -> int:
        """Settle the mails whose handover no one reported before its lease ended; return how many.

        A repeatable handover is simply done again. Any other may have succeeded, so it is ``unknown``.
        """
        abandoned = (MAILS.c.status == Status.HANDING_OVER, MAILS.c.lease_until < seconds_of(now))
        with self._database.begin() as connection:
            again = connection.execute(
                update(MAILS).where(*abandoned, MAILS.c.repeatable == 1).values(status=Status.SCHEDULED)
            )
            unknown = connection.execute(
                update(MAILS)
                .where(*abandoned, MAILS.c.repeatable == 0)
                .values(status=Status.UNKNOWN, reason="the process ended during the handover")
            )
        return again.rowcount + unknown.rowcount

    def look_at_held(self, now: datetime) -> int:
        """Release or end the held mails whose next look is due, the oldest first; return how many."""
        due = (MAILS.c.status == Status.HELD, MAILS.c.due_at <= seconds_of(now))
        query = planned_mails().where(*due).order_by(MAILS.c.scheduled_at, MAILS.c.message_id).limit(_A_LOOK)
        with self._database.begin() as connection:
            rows = connection.execute(query).all()
        for row in rows:
            with self.writing() as transaction:
                placing = self.placing(transaction, row, seconds_of(now))
                again = planned_mails().where(*due, MAILS.c.message_id == row.message_id)
                for held in transaction.connection.execute(again):
                    placing.apply(held, placing.judge(held))
        return len(rows)

    def plan_unplanned(self, now: datetime, *, due: bool = False) -> None:
        """Decide about the mails of a store from before: without a plan they can't be claimed."""
        query = select(MAILS.c.campaign_id).outerjoin(PLANS, PLANS.c.message_id == MAILS.c.message_id)
        query = query.where(PLANS.c.message_id.is_(None)).limit(_A_LOOK)
        if due:
            query = query.where(MAILS.c.status == Status.SCHEDULED, MAILS.c.due_at <= seconds_of(now))
        while True:
            with self._database.begin() as connection:
                campaigns = sorted(set(connection.execute(query).scalars()))
            for campaign_id in campaigns:
                with self.writing() as transaction:
                    self.plan(transaction, campaign_id, seconds_of(now))
            if not campaigns:
                return

    def progress(self, lead_id: str | None = None, limit: int = 100) -> list[Progress]:
        """List the mails of one lead, or those of all, in the order of their sending times."""
        query = select(MAILS).order_by(MAILS.c.scheduled_at, MAILS.c.message_id).limit(limit)
        if lead_id is not None:
            query = query.where(MAILS.c.lead_id == lead_id)
        with self._database.begin() as connection:
            return [progress_of(row) for row in connection.execute(query)]

    def plan(self, transaction: Transaction, campaign_id: str, now: float) -> None:
        """Give each mail of a campaign its plan, then decide about those that wait, in sending order."""
        connection = transaction.connection
        in_order = (MAILS.c.scheduled_at, MAILS.c.ordinal)
        mails = connection.execute(
            select(MAILS).where(MAILS.c.campaign_id == campaign_id).order_by(*in_order)
        ).all()
        recipient = Recipient.of_stored(mails[0].recipient)  # all of a campaign go to its lead
        placing = Placing(transaction, self.policy, recipient, now)
        have = select(PLANS.c.message_id).where(PLANS.c.campaign_id == campaign_id)
        if connection.execute(have.limit(1)).first() is not None:
            return  # another process was faster
        connection.execute(
            insert(PLANS), [plan_row(mail, recipient, first=mail is mails[0]) for mail in mails]
        )
        rows = planned_mails().where(MAILS.c.campaign_id == campaign_id).order_by(*in_order)
        for row in connection.execute(rows).all():
            if row.status == Status.SCHEDULED:
                placing.apply(row, placing.judge(row))
            else:
                placing.recall(row)

    def _next_due(self, transaction: Transaction, now: float) -> Row[Any] | None:
        # SQLite has one writer at a time anyway. A recipient whose row is locked is being decided about.
        return transaction.connection.execute(
            planned_mails()
            .where(MAILS.c.status == Status.SCHEDULED, MAILS.c.due_at <= now)
            .order_by(MAILS.c.due_at, MAILS.c.ordinal)
            .limit(1)
            .with_for_update(skip_locked=True, of=[MAILS, RECIPIENTS])
        ).one_or_none()

    def placing(self, transaction: Transaction, row: Row[Any], now: float) -> Placing:
        return Placing(transaction, self.policy, Recipient(row.recipient_key, row.domain), now)

    def _update(self, claim: Claim, **values: Any) -> None:
        # A lease that ended meanwhile made it UNKNOWN; now the outcome is known after all. The attempt's
        # number keeps a late report from touching somebody else's attempt.
        ours = (
            MAILS.c.message_id == claim.mail.message_id,
            MAILS.c.attempts == claim.attempt,
            MAILS.c.status.in_([Status.HANDING_OVER, Status.UNKNOWN]),
        )
        with self._database.begin() as connection:
            connection.execute(update(MAILS).where(*ours).values(lease_until=None, **values))


def _claimed(
    transaction: Transaction, row: Row[Any], placing: Placing, lease_until: float, *, repeatable: bool
) -> Claim:
    attempt = row.attempts + 1
    opening = not placing.confirmed
    if row.kind == Kind.OPENING and not opening:
        placing.becomes(row, Kind.DRAFT)
    transaction.connection.execute(
        update(MAILS)
        .where(MAILS.c.message_id == row.message_id)
        .values(
            status=Status.HANDING_OVER, attempts=attempt, lease_until=lease_until, repeatable=int(repeatable)
        )
    )
    mail = replace(mail_of(row), scheduled_at=moment_of(row.go_at))
    return Claim(without_words_of_the_lead(mail) if opening else mail, attempt, opening)
