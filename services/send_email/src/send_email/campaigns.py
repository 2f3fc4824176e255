"""Campaigns as an operator sees them: listed, shown, and cancelled."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, or_, select

from send_email.mails import OPEN, CampaignState, Progress
from send_email.placing import Placing
from send_email.queries import insert_unless_there, planned_mails
from send_email.recipients import Recipient
from send_email.rows import progress_of, seconds_of
from send_email.store import ScheduleStore
from send_email.tables import CAMPAIGNS, CANCELLATIONS, MAILS, PLANS
from send_email.verdicts import Transaction


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which campaigns: one by its id or its lead's, or all to a person. Nothing given: all."""

    ident: str | None = None
    recipient: Recipient | None = None

    def query(self) -> Select[Any]:
        """Select these campaigns."""
        query = select(CAMPAIGNS).order_by(CAMPAIGNS.c.campaign_id)
        if self.ident is not None:
            query = query.where(or_(CAMPAIGNS.c.campaign_id == self.ident, CAMPAIGNS.c.lead_id == self.ident))
        if self.recipient is not None:
            theirs = select(PLANS.c.campaign_id).where(PLANS.c.recipient_key == self.recipient.key)
            query = query.where(CAMPAIGNS.c.campaign_id.in_(theirs))
        return query


class Campaigns:
    """Blocking, as the store is."""

    def __init__(self, store: ScheduleStore) -> None:
        self._store = store

    def states(self, wanted: Wanted, limit: int | None = None) -> list[CampaignState]:
        """Say how far these campaigns are."""
        with self._store.reading() as connection:
            found = connection.execute(wanted.query().limit(limit)).all()
            return [_state(connection, campaign) for campaign in found]

    def mails(self, wanted: Wanted) -> list[Progress]:
        """Say how far each mail of these campaigns is."""
        ids = wanted.query().with_only_columns(CAMPAIGNS.c.campaign_id)
        query = select(MAILS).where(MAILS.c.campaign_id.in_(ids.order_by(None)))
        with self._store.reading() as connection:
            rows = connection.execute(query.order_by(MAILS.c.scheduled_at, MAILS.c.ordinal)).all()
        return [progress_of(row) for row in rows]

    def cancel(self, wanted: Wanted, why: str, now: datetime) -> list[CampaignState]:
        """End what is not under way of these campaigns, for good; return how far they are then.

        A mail that is being handed over is finished; one that comes back from there is not tried again.
        """
        self._store.plan_unplanned(now)
        with self._store.reading() as connection:
            found = connection.execute(wanted.query()).all()
        for campaign in found:
            with self._store.writing() as transaction:
                self._end(transaction, campaign.campaign_id, why, seconds_of(now))
        return [state for one in found for state in self.states(Wanted(one.campaign_id))]

    def _end(self, transaction: Transaction, campaign_id: str, why: str, now: float) -> None:
        connection = transaction.connection
        query = planned_mails().where(MAILS.c.campaign_id == campaign_id)
        any_mail = connection.execute(query.limit(1)).one()
        recipient = Recipient(any_mail.recipient_key, any_mail.domain)
        placing = Placing(transaction, self._store.policy, recipient, now)
        cancellation = {"campaign_id": campaign_id, "why": why, "since": now}
        insert_unless_there(connection, CANCELLATIONS, cancellation)
        for row in connection.execute(query.where(MAILS.c.status.in_(OPEN))).all():
            placing.apply(row, placing.judge(row))


def _state(connection: Connection, campaign: Row[Any]) -> CampaignState:
    of_it = MAILS.c.campaign_id == campaign.campaign_id
    counts = select(MAILS.c.status, func.count().label("mails")).where(of_it).group_by(MAILS.c.status)
    ended = select(CANCELLATIONS.c.why).where(CANCELLATIONS.c.campaign_id == campaign.campaign_id)
    why = connection.execute(ended).scalar()
    return CampaignState(
        campaign_id=campaign.campaign_id,
        campaign_type=campaign.campaign_type,
        lead_id=campaign.lead_id,
        cancelled=why is not None,
        why=why or "",
        mails={row.status: row.mails for row in connection.execute(counts)},
    )
