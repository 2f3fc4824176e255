"""A mail as it is kept: what to hand over, to whom, when, and how far it is."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Status(StrEnum):
    """How far a mail is: ``SCHEDULED → HANDING_OVER → SENT | UNKNOWN | FAILED``."""

    SCHEDULED = "scheduled"
    HANDING_OVER = "handing_over"
    SENT = "sent"
    UNKNOWN = "unknown"
    """Handed over, and the answer was lost: it may have arrived, so it is never repeated."""
    FAILED = "failed"
    """Refused for good; the reason is kept."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail of a campaign. ``message_id`` is an RFC 5322 Message-ID without its angle brackets."""

    message_id: str
    campaign_id: str
    lead_id: str
    recipient: str
    recipient_name: str
    subject: str
    body: str
    scheduled_at: datetime


@dataclass(frozen=True, slots=True)
class Schedule:
    """A campaign and its mails in sending order: at most one per workflow."""

    correlation_id: str
    campaign_id: str
    campaign_type: str
    lead_id: str
    mails: tuple[Mail, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """A mail that this process alone may hand over until its lease ends. ``attempt`` counts from 1."""

    mail: Mail
    attempt: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one mail is, with nothing personal in it."""

    message_id: str
    campaign_id: str
    lead_id: str
    scheduled_at: datetime
    status: Status
    attempts: int
    reason: str
