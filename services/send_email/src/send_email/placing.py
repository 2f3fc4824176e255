"""What becomes of a mail: it goes, is held, or ends. Decided with its recipient's row locked.

The lock is what makes two replicas, or many threads, decide about one person one after the other, so that
no two of them take the last place under a cap.
"""

from typing import Any

from sqlalchemy import Row, Select, delete, func, insert, select, update

from send_email.mails import GIVEN_AWAY, Kind, Status, Why
from send_email.policy import Policy, day_of, next_room
from send_email.queries import before, insert_unless_there
from send_email.recipients import Recipient
from send_email.tables import CANCELLATIONS, MAILS, PLACES, PLANS, RECIPIENTS, SUPPRESSIONS
from send_email.verdicts import REASONS, End, Go, Hold, Transaction, Verdict


class Placing:
    """Decides about the mails to one recipient; holds the recipient's row from the beginning."""

    def __init__(self, transaction: Transaction, policy: Policy, recipient: Recipient, now: float) -> None:
        self._connection = transaction.connection
        self._decisions = transaction.decisions
        self._policy = policy
        self._recipient = recipient
        self._now = now
        self.confirmed = self._lock(recipient.key).confirmed_at is not None

    def judge(self, mail: Row[Any]) -> Verdict:
        """Say what becomes of a mail that has a plan (a row of :func:`planned_mails`); nothing is changed."""
        if ended := self._ended(mail):
            return ended
        at = max(self._now, mail.scheduled_at, self._earliest(mail))
        if not self.confirmed and not (mail.kind in (Kind.OPENING, Kind.OPENED) and self._may_open(mail, at)):
            until = self._until(
                mail, Why.UNCONFIRMED, at + self._policy.held_for_confirmation.total_seconds()
            )
            return Hold(Why.UNCONFIRMED, until, look=until)
        look = max(self._look_behind_held(mail), self._room_at(mail, at))
        if look > at:
            until = self._until(mail, Why.CAP, at + self._policy.held_for_place.total_seconds())
            return Hold(Why.CAP, until, look=min(look, until))
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
            case Hold(why, until, look):
                self._free(mail)
                self._mail(mail, status=Status.HELD, due_at=look, reason=REASONS[why])
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
        if mail.status in GIVEN_AWAY:
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

    def _until(self, mail: Row[Any], why: Why, until: float) -> float:
        # Whoever looks again at a held mail gives it no more time.
        return float(mail.held_until) if mail.held_why == why else until

    def _ended(self, mail: Row[Any]) -> End | None:
        # An operator's own words stay where only operators read: they may name the person.
        cancelled = select(func.count()).where(CANCELLATIONS.c.campaign_id == mail.campaign_id)
        if self._count(cancelled):
            return End(Status.CANCELLED, "an operator cancelled the campaign")
        suppressed = select(func.count()).where(SUPPRESSIONS.c.pattern.in_(self._recipient.patterns))
        if self._count(suppressed):
            return End(Status.SUPPRESSED, "the recipient, or the recipient's domain, is suppressed")
        if mail.status == Status.HELD and mail.held_why and mail.held_until <= self._now:
            return End(Status.EXPIRED, f"expired; it was held: {mail.reason}")
        if mail.kind == Kind.OPENED and self.confirmed:
            return End(Status.CANCELLED, "the recipient confirmed before it went")
        return None

    def _may_open(self, mail: Row[Any], at: float) -> bool:
        """Say whether no other opening goes to this person around ``at``."""
        every = self._policy.opening_every.total_seconds()
        others = select(func.count()).where(
            PLACES.c.recipient_key == self._recipient.key,
            PLACES.c.message_id != mail.message_id,
            PLACES.c.opening == 1,
            PLACES.c.at > at - every,
            PLACES.c.at < at + every,
        )
        return self._count(others) == 0

    def _room_at(self, mail: Row[Any], at: float) -> float:
        """Return when there is a place under the caps, from ``at`` on, as far as that can be seen now."""
        times = select(PLACES.c.at).where(
            PLACES.c.recipient_key == self._recipient.key,
            PLACES.c.message_id != mail.message_id,
            PLACES.c.at > at - self._policy.reach_s,
        )
        taken = self._connection.execute(times).scalars().all()
        if (later := next_room(taken, at, self._policy.caps)) > at:
            return later
        begin, end = day_of(at)
        own = self._scalar(select(PLACES.c.at).where(PLACES.c.message_id == mail.message_id))
        if own is not None and begin <= own < end:
            return at  # it has a place on that day, and keeps it
        self._lock(f"@{self._recipient.domain}")
        that_day = select(func.count()).where(
            PLACES.c.domain == self._recipient.domain, PLACES.c.at >= begin, PLACES.c.at < end
        )
        return at if self._count(that_day) < self._policy.domain_per_day else end

    def _earliest(self, mail: Row[Any]) -> float:
        """Return when a mail may go so that its distance to those before it is kept."""
        spacing = PLACES.c.at + mail.scheduled_at - MAILS.c.scheduled_at
        query = select(func.max(spacing)).join(MAILS, MAILS.c.message_id == PLACES.c.message_id)
        return float(self._scalar(query.where(before(mail))) or 0.0)

    def _look_behind_held(self, mail: Row[Any]) -> float:
        """Return when to look again where a mail of the campaign that goes before this one is held."""
        look = self._scalar(
            select(func.max(MAILS.c.due_at)).where(before(mail), MAILS.c.status == Status.HELD)
        )
        return 0.0 if look is None else max(look, self._now) + self._policy.look_again.total_seconds()

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

    def _lock(self, key: str) -> Row[Any]:
        """Make the row if it is missing, and hold it until the transaction ends."""
        row = {"recipient_key": key, "domain": self._recipient.domain}
        insert_unless_there(self._connection, RECIPIENTS, row)
        held = select(RECIPIENTS).where(RECIPIENTS.c.recipient_key == key).with_for_update()
        return self._connection.execute(held).one()

    def _count(self, query: Select[Any]) -> int:
        return int(self._scalar(query))

    def _scalar(self, query: Select[Any]) -> Any:
        return self._connection.execute(query).scalar()
