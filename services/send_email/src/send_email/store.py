"""The schedule's own store: one schedule per workflow, and each mail's progress (SQLAlchemy Core)."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from send_email.mails import Claim, Mail, Progress, Schedule, Status
from signalbox.databases import Database
from signalbox.errors import SignalboxError

_METADATA: Final = MetaData()

_CAMPAIGNS: Final = Table(
    "campaigns",
    _METADATA,
    Column("correlation_id", String(512), primary_key=True),  # the guarantee: one schedule per workflow
    Column("campaign_id", String(64), nullable=False, unique=True),
    Column("campaign_type", String(64), nullable=False),
    Column("lead_id", String(512), nullable=False),
)

_MAILS: Final = Table(
    "mails",
    _METADATA,
    Column("message_id", String(200), primary_key=True),
    Column("campaign_id", ForeignKey("campaigns.campaign_id"), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("lead_id", String(512), nullable=False, index=True),
    Column("recipient", String(320), nullable=False),
    Column("recipient_name", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("scheduled_at", Float(53), nullable=False),
    Column("due_at", Float(53), nullable=False),  # scheduled_at, then the time of the next attempt
    Column("status", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("lease_until", Float(53)),
    Column("repeatable", Integer),
    Column("reason", Text, nullable=False),
    Index("mails_due", "status", "due_at"),
)


class ScheduleStore:
    """Blocking; call it from a thread. Every method is one transaction, durable when it returns.

    Each raises ``Unavailable`` when the database can't be reached or written; nothing is changed then.
    Replicas share one PostgreSQL: a mail that one of them claims is passed over by the others.
    """

    def __init__(self, url: str) -> None:
        """Open or make the store at the SQLAlchemy ``url``.

        Raises:
            ConfigurationError: when the address can't be used.
        """
        self._database = Database(url, _METADATA, what="schedule store", variable="MAIL_SCHEDULE_URL")

    @classmethod
    def in_folder(cls, folder: Path) -> "ScheduleStore":
        """Open or make ``schedule.db`` in ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        return cls(f"sqlite:///{folder / 'schedule.db'}")

    def close(self) -> None:
        self._database.close()

    def keep_first(self, schedule: Schedule) -> Schedule:
        """Keep ``schedule`` if its workflow has none yet; return the one that holds."""
        try:
            with self._database.begin() as connection:
                connection.execute(insert(_CAMPAIGNS), _campaign_row(schedule))
                connection.execute(insert(_MAILS), _mail_rows(schedule))
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
                select(_CAMPAIGNS).where(_CAMPAIGNS.c.correlation_id == correlation_id)
            ).one_or_none()
            if campaign is None:
                return None
            rows = connection.execute(
                select(_MAILS).where(_MAILS.c.campaign_id == campaign.campaign_id).order_by(_MAILS.c.ordinal)
            ).all()
        return Schedule(
            correlation_id=campaign.correlation_id,
            campaign_id=campaign.campaign_id,
            campaign_type=campaign.campaign_type,
            lead_id=campaign.lead_id,
            mails=tuple(_mail(row) for row in rows),
        )

    def claim_due(self, now: datetime, lease: timedelta, *, repeatable: bool) -> Claim | None:
        """Take the mail that has been due for longest; it is ``handing_over`` durably on return."""
        due = (
            select(_MAILS.c.message_id)
            .where(_MAILS.c.status == Status.SCHEDULED, _MAILS.c.due_at <= _seconds(now))
            .order_by(_MAILS.c.due_at)
            .limit(1)
            .with_for_update(skip_locked=True)  # SQLite has one writer at a time anyway
            .scalar_subquery()
        )
        taken = (
            update(_MAILS)
            .where(_MAILS.c.message_id == due, _MAILS.c.status == Status.SCHEDULED)
            .values(
                status=Status.HANDING_OVER,
                attempts=_MAILS.c.attempts + 1,
                lease_until=_seconds(now + lease),
                repeatable=int(repeatable),
            )
            .returning(_MAILS)
        )
        with self._database.begin() as connection:
            row = connection.execute(taken).one_or_none()
        return None if row is None else Claim(_mail(row), row.attempts)

    def settle(self, claim: Claim, status: Status, reason: str = "") -> None:
        """Write down how a handover ended."""
        self._update(claim, status=status, reason=reason)

    def put_back(self, claim: Claim, due_at: datetime, reason: str) -> None:
        """Let a mail that was certainly not taken be tried again at ``due_at``."""
        self._update(claim, status=Status.SCHEDULED, due_at=_seconds(due_at), reason=reason)

    def resolve_abandoned(self, now: datetime) -> int:
        """Settle the mails whose handover nobody reported before its lease ended; return how many.

        A repeatable handover is simply done again. Any other may have succeeded, so it is ``unknown``.
        """
        abandoned = (_MAILS.c.status == Status.HANDING_OVER, _MAILS.c.lease_until < _seconds(now))
        with self._database.begin() as connection:
            again = connection.execute(
                update(_MAILS).where(*abandoned, _MAILS.c.repeatable == 1).values(status=Status.SCHEDULED)
            )
            unknown = connection.execute(
                update(_MAILS)
                .where(*abandoned, _MAILS.c.repeatable == 0)
                .values(status=Status.UNKNOWN, reason="the process ended during the handover")
            )
        return again.rowcount + unknown.rowcount

    def progress(self, lead_id: str | None = None, limit: int = 100) -> list[Progress]:
        """List the mails of one lead, or those of all, in the order of their sending times."""
        query = select(_MAILS).order_by(_MAILS.c.scheduled_at, _MAILS.c.message_id).limit(limit)
        if lead_id is not None:
            query = query.where(_MAILS.c.lead_id == lead_id)
        with self._database.begin() as connection:
            return [_progress(row) for row in connection.execute(query)]

    def _update(self, claim: Claim, **values: Any) -> None:
        # A lease that ended meanwhile made it UNKNOWN; now the outcome is known after all. The attempt's
        # number keeps a late report from touching somebody else's attempt.
        ours = (
            _MAILS.c.message_id == claim.mail.message_id,
            _MAILS.c.attempts == claim.attempt,
            _MAILS.c.status.in_([Status.HANDING_OVER, Status.UNKNOWN]),
        )
        with self._database.begin() as connection:
            connection.execute(update(_MAILS).where(*ours).values(lease_until=None, **values))


def _seconds(moment: datetime) -> float:
    return round(moment.timestamp(), 3)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _campaign_row(schedule: Schedule) -> dict[str, Any]:
    return {
        "correlation_id": schedule.correlation_id,
        "campaign_id": schedule.campaign_id,
        "campaign_type": schedule.campaign_type,
        "lead_id": schedule.lead_id,
    }


def _mail_rows(schedule: Schedule) -> list[dict[str, Any]]:
    return [
        {
            "message_id": mail.message_id,
            "campaign_id": mail.campaign_id,
            "ordinal": ordinal,
            "lead_id": mail.lead_id,
            "recipient": mail.recipient,
            "recipient_name": _without_nul(mail.recipient_name),
            "subject": _without_nul(mail.subject),
            "body": _without_nul(mail.body),
            "scheduled_at": _seconds(mail.scheduled_at),
            "due_at": _seconds(mail.scheduled_at),
            "status": Status.SCHEDULED,
            "attempts": 0,
            "reason": "",
        }
        for ordinal, mail in enumerate(schedule.mails)
    ]


def _without_nul(text: str) -> str:
    # PostgreSQL's text can't have it, and a mail would carry a blank in its place anyway.
    return text.replace("\0", " ")


def _mail(row: Row[Any]) -> Mail:
    return Mail(
        message_id=row.message_id,
        campaign_id=row.campaign_id,
        lead_id=row.lead_id,
        recipient=row.recipient,
        recipient_name=row.recipient_name,
        subject=row.subject,
        body=row.body,
        scheduled_at=_moment(row.scheduled_at),
    )


def _progress(row: Row[Any]) -> Progress:
    return Progress(
        message_id=row.message_id,
        campaign_id=row.campaign_id,
        lead_id=row.lead_id,
        scheduled_at=_moment(row.scheduled_at),
        status=Status(row.status),
        attempts=row.attempts,
        reason=row.reason.replace(row.recipient, "•••"),
    )
