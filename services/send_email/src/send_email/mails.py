"""A mail as it is kept: what to hand over, to whom, when, and how far it is."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """How far a mail is.

    ::

        SCHEDULED ⇄ HELD → SCHEDULED → HANDING_OVER → SENT | UNKNOWN | FAILED
        SCHEDULED | HELD → SUPPRESSED | CANCELLED | EXPIRED
    """

    SCHEDULED = "scheduled"
    HELD = "held"
    """Waits for more than its time: a place under the caps, or the recipient's confirmation."""
    HANDING_OVER = "handing_over"
    SENT = "sent"
    UNKNOWN = "unknown"
    """Handed over, and the answer was lost: it may have arrived, so it is never repeated."""
    FAILED = "failed"
    """Refused for good; the reason is kept."""
    SUPPRESSED = "suppressed"
    """The recipient gets no mail of ours."""
    CANCELLED = "cancelled"
    """An operator ended its campaign."""
    EXPIRED = "expired"
    """What it was held for did not come in time."""


OPEN: Final = (Status.SCHEDULED, Status.HELD)
GIVEN_AWAY: Final = (Status.HANDING_OVER, Status.SENT, Status.UNKNOWN)
"""It may have arrived, or is about to: it counts under the caps."""


class Why(StrEnum):
    """What a held mail waits for."""

    CAP = "cap"
    UNCONFIRMED = "unconfirmed"


class Kind(StrEnum):
    """What a mail says."""

    DRAFT = "draft"
    OPENING = "opening"
    """The fixed text, in the place of the campaign's first draft, while the recipient has not confirmed."""
    OPENED = "opened"
    """An opening whose draft has become a mail of its own, because the recipient confirmed."""
    RESUMED = "resumed"
    """The draft in whose place the opening went."""


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
    """A mail that this process alone may hand over until its lease ends. ``attempt`` counts from 1.

    An ``opening`` has no word of the lead, not even the lead id; the mailer writes the fixed text.
    """

    mail: Mail
    attempt: int
    opening: bool = False


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


@dataclass(frozen=True, slots=True)
class CampaignState:
    """How far a campaign is: its mails counted by status, and why an operator cancelled it."""

    campaign_id: str
    campaign_type: str
    lead_id: str
    cancelled: bool
    why: str
    mails: dict[str, int]
