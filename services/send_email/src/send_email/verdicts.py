"""What can become of a mail, and the count of it."""

from dataclasses import dataclass, field
from typing import Final

from prometheus_client import Counter
from sqlalchemy import Connection

from send_email.mails import Status, Why

DECISIONS: Final = Counter(
    "signalbox_mail_decisions_total",
    "Mails that were held, released or ended before their handover, by decision.",
    ["decision"],
)

REASONS: Final = {
    Why.CAP: "cap: the recipient, or the recipient's domain, gets no more mails at that time",
    Why.UNCONFIRMED: "unconfirmed: the recipient has not confirmed the address",
}


@dataclass(frozen=True, slots=True)
class Go:
    """The mail may go at ``at``."""

    at: float


@dataclass(frozen=True, slots=True)
class Hold:
    """The mail waits for ``why``, until ``until`` at most; at ``look`` it is decided about once more."""

    why: Why
    until: float
    look: float


@dataclass(frozen=True, slots=True)
class End:
    """The mail will never go."""

    status: Status
    reason: str


Verdict = Go | Hold | End


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction of the store, and what was decided in it: it is counted when it is committed."""

    connection: Connection
    decisions: list[str] = field(default_factory=list)

    def count(self) -> None:
        """Count the decisions."""
        for decision in self.decisions:
            DECISIONS.labels(decision).inc()
