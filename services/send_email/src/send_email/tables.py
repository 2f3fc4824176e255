"""The tables of the schedule store. New ones stand beside the old: a store from before still opens."""

from typing import Final

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, MetaData, String, Table, Text

METADATA: Final = MetaData()

CAMPAIGNS: Final = Table(
    "campaigns",
    METADATA,
    Column("correlation_id", String(512), primary_key=True),  # the guarantee: one schedule per workflow
    Column("campaign_id", String(64), nullable=False, unique=True),
    Column("campaign_type", String(64), nullable=False),
    Column("lead_id", String(512), nullable=False),
)

MAILS: Final = Table(
    "mails",
    METADATA,
    Column("message_id", String(200), primary_key=True),
    Column("campaign_id", ForeignKey("campaigns.campaign_id"), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("lead_id", String(512), nullable=False, index=True),
    Column("recipient", String(320), nullable=False),
    Column("recipient_name", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("scheduled_at", Float(53), nullable=False),  # as it was answered; never changed
    Column(
        "due_at", Float(53), nullable=False
    ),  # the time of the next attempt, or of the next look at a held one
    Column("status", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("lease_until", Float(53)),
    Column("repeatable", Integer),
    Column("reason", Text, nullable=False),
    Index("mails_due", "status", "due_at"),
)

PLANS: Final = Table(
    "mail_plans",
    METADATA,
    Column("message_id", String(200), primary_key=True),
    Column("campaign_id", String(64), nullable=False, index=True),
    Column("recipient_key", String(320), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("go_at", Float(53), nullable=False),  # the sending time that holds now, retries left out
    Column("held_why", String(16), nullable=False),
    Column("held_until", Float(53), nullable=False),
)
"""What a mail is, and how long it may be held. A mail from before is given its plan first."""

RECIPIENTS: Final = Table(
    "mail_recipients",
    METADATA,
    Column("recipient_key", String(320), primary_key=True),
    Column("domain", String(255), nullable=False),
    Column("confirmed_at", Float(53)),
    Column("confirmed_by", String(16)),
)
"""One row a person, and one (``@domain``) a domain: whoever decides about their mails holds it locked."""

PLACES: Final = Table(
    "mail_places",
    METADATA,
    Column("message_id", String(200), primary_key=True),
    Column("recipient_key", String(320), nullable=False),
    Column("domain", String(255), nullable=False),
    Column("at", Float(53), nullable=False),
    Column("opening", Integer, nullable=False),
    Index("mail_places_of_recipient", "recipient_key", "at"),
    Index("mail_places_of_domain", "domain", "at"),
)
"""The places under the caps: when a mail went or is to go."""

SUPPRESSIONS: Final = Table(
    "mail_suppressions",
    METADATA,
    Column("pattern", String(320), primary_key=True),  # a recipient's key, or @domain
    Column("why", Text, nullable=False),
    Column("since", Float(53), nullable=False),
)

CANCELLATIONS: Final = Table(
    "mail_cancellations",
    METADATA,
    Column("campaign_id", String(64), primary_key=True),
    Column("why", Text, nullable=False),
    Column("since", Float(53), nullable=False),
)

KEYS: Final = Table(
    "mail_keys",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("secret", String(128), nullable=False),
)
"""What the links in mails are signed with; in the store, so that replicas have the same."""

DEFERRALS: Final = Table(
    "mail_deferrals",
    METADATA,
    Column("message_id", String(200), primary_key=True),
    Column("since", Float(53), nullable=False),
)
"""Since when each mail has been put off by the server."""
