"""What becomes of a mail: it goes, is held, or ends. Decided with its recipient's row locked.

The lock is what makes two replicas, or many threads, decide about one person one after the other, so that
no two of them take the last place under a cap.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from prometheus_client import Counter
from sqlalchemy import (
    Connection,
    Executable,
    Row,
    Select,
    Table,
    and_,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from send_email.mails import Kind, Status, Why
from send_email.policy import Policy, day_of, has_room
from send_email.recipients import Recipient
from send_email.tables import CANCELLATIONS, MAILS, PLACES, PLANS, RECIPIENTS, SUPPRESSIONS

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
    """The mail waits for ``why``, until ``until`` at most."""

    why: Why
    until: float


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


class Placing:
    """Decides about the mails to one recipient; holds the recipient's row from the beginning."""

    def __init__(self, transaction: Transaction, policy: Policy, recipient: Recipient, now: float) -> None:
        self._connection = transaction.connection
        self._decisions = transaction.decisions
        self._policy = policy
        self._recipient = recipient
        self._now = now
        self._lock(recipient.key)
        self.confirmed = self._one(RECIPIENTS, RECIPIENTS.c.confirmed_at) is not None

    def judge(self, mail: Row[Any]) -> Verdict:
        """Say what becomes of a mail that has a plan (a row of :func:`planned_mails`); nothing is changed."""
        if ended := self._ended(mail):
            return ended
        at = max(self._now, mail.scheduled_at, self._earliest(mail))
        if not self.confirmed and not (mail.kind in (Kind.OPENING, Kind.OPENED) and self._may_open(mail, at)):
            return self._held(mail, Why.UNCONFIRMED, at + self._policy.held_for_confirmation.total_seconds())
        if self._waits(mail) or not self._has_room(mail, at):
            return self._held(mail, Why.CAP, at + self._policy.held_for_place.total_seconds())
        return Go(at)

    def apply(self, mail: Row[Any], verdict: Verdict) -> None:
        """Write a verdict down: the mail's status, its plan, and its place under the caps."""
        match verdict:
            case Go(at):
                self._take(mail, at)
                self._mail(mail, status=Status.SCHEDULED, due_at=at, reason="")
                self._plan(mail, go_at=at, held_why="", held_until=self._waits_until(mail, at))
                if mail.status == Status.HELD and mail.held_why:
                    self._decisions.append(f"released_{mail.held_why}")
            case Hold(why, until):
                self._free(mail)
                look = (
                    until if why is Why.UNCONFIRMED else self._now + self._policy.look_again.total_seconds()
                )
                self._mail(mail, status=Status.HELD, due_at=min(look, until), reason=REASONS[why])
                self._plan(mail, held_why=why, held_until=until)
                if (mail.status, mail.held_why) != (Status.HELD, why):
                    self._decisions.append(f"held_{why}")
            case End(status, reason):
                self._free(mail)
                self._mail(mail, status=status, reason=reason)
                self._decisions.append(status.value)

    def go_now(self, mail: Row[Any]) -> None:
        """Move a mail's place to now: it is this moment that counts under the caps."""
        self._take(mail, self._now)

    def recall(self, mail: Row[Any]) -> None:
        """Let a mail that went before there were plans count under the caps."""
        if mail.status in (Status.HANDING_OVER, Status.SENT, Status.UNKNOWN):
            self._take(mail, mail.due_at)

    def becomes(self, mail: Row[Any], kind: Kind) -> None:
        """Note down what a mail says."""
        self._plan(mail, kind=kind)

    def confirm(self, by: str) -> bool:
        """Note down that the recipient confirmed the address; return False when that was known."""
        if self.confirmed:
            return False
        row = RECIPIENTS.c.recipient_key == self._recipient.key
        self._connection.execute(
            update(RECIPIENTS).where(row).values(confirmed_at=self._now, confirmed_by=by)
        )
        self.confirmed = True
        return True

    def doubt(self) -> None:
        """Forget that the recipient confirmed."""
        row = RECIPIENTS.c.recipient_key == self._recipient.key
        self._connection.execute(update(RECIPIENTS).where(row).values(confirmed_at=None, confirmed_by=None))
        self.confirmed = False

    def _held(self, mail: Row[Any], why: Why, until: float) -> Hold:
        # Whoever looks again at a held mail gives it no more time.
        return Hold(why, mail.held_until if mail.held_why == why else until)

    def _ended(self, mail: Row[Any]) -> End | None:
        why = self._scalar(select(CANCELLATIONS.c.why).where(CANCELLATIONS.c.campaign_id == mail.campaign_id))
        if why is not None:
            return End(Status.CANCELLED, why or "cancelled by an operator")
        patterns = self._recipient.patterns
        why = self._scalar(select(SUPPRESSIONS.c.why).where(SUPPRESSIONS.c.pattern.in_(patterns)).limit(1))
        if why is not None:
            return End(Status.SUPPRESSED, why or "suppressed by an operator")
        if mail.status == Status.HELD and mail.held_why and mail.held_until <= self._now:
            return End(Status.EXPIRED, f"expired; it was held: {mail.reason}")
        if mail.kind == Kind.OPENED and self.confirmed:
            return End(Status.CANCELLED, "the recipient confirmed before it went")
        return None

    def _may_open(self, mail: Row[Any], at: float) -> bool:
        """Say whether no other opening goes to this person around ``at``."""
        every = self._policy.opening_every.total_seconds()
        others = self._others(mail).where(PLACES.c.opening == 1, *_around(at, every))
        return self._count(others) == 0

    def _has_room(self, mail: Row[Any], at: float) -> bool:
        times = select(PLACES.c.at).where(
            PLACES.c.recipient_key == self._recipient.key,
            PLACES.c.message_id != mail.message_id,
            *_around(at, self._policy.reach_s),
        )
        if not has_room(self._connection.execute(times).scalars(), at, self._policy.caps):
            return False
        begin, end = day_of(at)
        own = self._scalar(select(PLACES.c.at).where(PLACES.c.message_id == mail.message_id))
        if own is not None and begin <= own < end:
            return True  # it has a place on that day, and keeps it
        self._lock(f"@{self._recipient.domain}")
        that_day = select(func.count()).where(
            PLACES.c.domain == self._recipient.domain, PLACES.c.at >= begin, PLACES.c.at < end
        )
        return self._count(that_day) < self._policy.domain_per_day

    def _earliest(self, mail: Row[Any]) -> float:
        """Return when a mail may go so that its distance to those before it is kept."""
        spacing = PLACES.c.at + mail.scheduled_at - MAILS.c.scheduled_at
        query = select(func.max(spacing)).join(MAILS, MAILS.c.message_id == PLACES.c.message_id)
        return float(self._scalar(query.where(_before(mail))) or 0.0)

    def _waits(self, mail: Row[Any]) -> bool:
        """Say whether a mail of the campaign that goes before this one is held."""
        held = select(func.count()).select_from(MAILS).where(_before(mail), MAILS.c.status == Status.HELD)
        return self._count(held) > 0

    def _waits_until(self, mail: Row[Any], at: float) -> float:
        # The draft behind an opening waits for the confirmation as long as the others do.
        opening = mail.kind == Kind.OPENING and not self.confirmed
        return at + self._policy.held_for_confirmation.total_seconds() if opening else 0.0

    def _take(self, mail: Row[Any], at: float) -> None:
        self._free(mail)
        opening = int(mail.kind in (Kind.OPENING, Kind.OPENED) and not self.confirmed)
        recipient = {"recipient_key": self._recipient.key, "domain": self._recipient.domain}
        row = {"message_id": mail.message_id, "at": at, "opening": opening, **recipient}
        self._connection.execute(insert(PLACES), row)

    def _free(self, mail: Row[Any]) -> None:
        self._connection.execute(delete(PLACES).where(PLACES.c.message_id == mail.message_id))

    def _mail(self, mail: Row[Any], **values: Any) -> None:
        self._connection.execute(update(MAILS).where(MAILS.c.message_id == mail.message_id).values(**values))

    def _plan(self, mail: Row[Any], **values: Any) -> None:
        self._connection.execute(update(PLANS).where(PLANS.c.message_id == mail.message_id).values(**values))

    def _lock(self, key: str) -> None:
        """Make the row if it is missing, and hold it until the transaction ends."""
        row = {"recipient_key": key, "domain": self._recipient.domain}
        self._connection.execute(unless_there(self._connection, RECIPIENTS, row))
        self._connection.execute(
            select(RECIPIENTS.c.recipient_key).where(RECIPIENTS.c.recipient_key == key).with_for_update()
        )

    def _others(self, mail: Row[Any]) -> Select[Any]:
        key = self._recipient.key
        return select(func.count()).where(
            PLACES.c.recipient_key == key, PLACES.c.message_id != mail.message_id
        )

    def _one(self, table: Any, column: Any) -> Any:
        return self._scalar(
            select(column).select_from(table).where(table.c.recipient_key == self._recipient.key)
        )

    def _count(self, query: Select[Any]) -> int:
        return int(self._scalar(query))

    def _scalar(self, query: Select[Any]) -> Any:
        return self._connection.execute(query).scalar()


def unless_there(connection: Connection, table: Table, row: dict[str, Any]) -> Executable:
    """Insert ``row`` unless its key is there; waits for another process that is inserting the same one."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement: Executable = dialect.insert(table).values(row).on_conflict_do_nothing()
    return statement


def planned_mails() -> Select[Any]:
    """Select mails with their plans and their recipients' domains."""
    plan = (PLANS.c.recipient_key, PLANS.c.kind, PLANS.c.go_at, PLANS.c.held_why, PLANS.c.held_until)
    return (
        select(MAILS, *plan, RECIPIENTS.c.domain)
        .join(PLANS, PLANS.c.message_id == MAILS.c.message_id)
        .join(RECIPIENTS, RECIPIENTS.c.recipient_key == PLANS.c.recipient_key)
    )


def _before(mail: Row[Any]) -> Any:
    earlier = and_(MAILS.c.scheduled_at == mail.scheduled_at, MAILS.c.ordinal < mail.ordinal)
    return and_(
        MAILS.c.campaign_id == mail.campaign_id, or_(MAILS.c.scheduled_at < mail.scheduled_at, earlier)
    )


def _around(at: float, reach: float) -> tuple[Any, Any]:
    return PLACES.c.at > at - reach, PLACES.c.at < at + reach
