"""From records to rows and back."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row

from send_email.mails import Kind, Mail, Progress, Schedule, Status
from send_email.recipients import Recipient
from signalbox.protocol.envelope import derived_id


def seconds_of(moment: datetime) -> float:
    return round(moment.timestamp(), 3)


def moment_of(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def campaign_row(schedule: Schedule) -> dict[str, Any]:
    return {
        "correlation_id": schedule.correlation_id,
        "campaign_id": schedule.campaign_id,
        "campaign_type": schedule.campaign_type,
        "lead_id": schedule.lead_id,
    }


def mail_rows(schedule: Schedule) -> list[dict[str, Any]]:
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
            "scheduled_at": seconds_of(mail.scheduled_at),
            "due_at": seconds_of(mail.scheduled_at),
            "status": Status.SCHEDULED,
            "attempts": 0,
            "reason": "",
        }
        for ordinal, mail in enumerate(schedule.mails)
    ]


def plan_row(mail: Row[Any], recipient: Recipient, *, first: bool) -> dict[str, Any]:
    return {
        "message_id": mail.message_id,
        "campaign_id": mail.campaign_id,
        "recipient_key": recipient.key,
        "kind": Kind.OPENING if first and mail.status == Status.SCHEDULED else Kind.DRAFT,
        "go_at": mail.scheduled_at,
        "held_why": "",
        "held_until": 0.0,
    }


def _without_nul(text: str) -> str:
    # PostgreSQL's text can't have it, and a mail would carry a blank in its place anyway.
    return text.replace("\0", " ")


def mail_of(row: Row[Any]) -> Mail:
    return Mail(
        message_id=row.message_id,
        campaign_id=row.campaign_id,
        lead_id=row.lead_id,
        recipient=row.recipient,
        recipient_name=row.recipient_name,
        subject=row.subject,
        body=row.body,
        scheduled_at=moment_of(row.scheduled_at),
    )


def progress_of(row: Row[Any]) -> Progress:
    return Progress(
        message_id=row.message_id,
        campaign_id=row.campaign_id,
        lead_id=row.lead_id,
        scheduled_at=moment_of(row.scheduled_at),
        status=Status(row.status),
        attempts=row.attempts,
        reason=row.reason.replace(row.recipient, "•••"),
    )


def without_words_of_the_lead(mail: Mail) -> Mail:
    """Leave nothing of a mail but its address and what we derived; a lead id may be anybody's words, too."""
    return replace(mail, lead_id=mail.campaign_id, recipient_name="", subject="", body="")


def resumed_mail(opening: Row[Any]) -> dict[str, Any]:
    """Make the draft in whose place an opening went a mail of its own; its id follows from the opening's."""
    kept = (
        "campaign_id",
        "ordinal",
        "lead_id",
        "recipient",
        "recipient_name",
        "subject",
        "body",
        "scheduled_at",
    )
    return {
        **{name: getattr(opening, name) for name in kept},
        "message_id": _resumed_id(opening),
        "due_at": opening.scheduled_at,
        "status": Status.SCHEDULED,
        "attempts": 0,
        "reason": "",
    }


def resumed_plan(opening: Row[Any]) -> dict[str, Any]:
    """Make the plan of :func:`resumed_mail`."""
    plan = plan_row(opening, Recipient(opening.recipient_key, opening.domain), first=False)
    return plan | {"message_id": _resumed_id(opening), "kind": Kind.RESUMED}


def _resumed_id(opening: Row[Any]) -> str:
    unique, _, domain = opening.message_id.partition("@")
    return f"{derived_id(unique, 'resumed')}@{domain}"
