"""Parts of queries that more than one of the store's modules needs."""

from typing import Any

from sqlalchemy import Connection, Executable, Row, Select, Table, and_, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from send_email.tables import MAILS, PLACES, PLANS, RECIPIENTS


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


def before(mail: Row[Any]) -> Any:
    """Return the condition for the mails of a campaign that go before ``mail``."""
    earlier = and_(MAILS.c.scheduled_at == mail.scheduled_at, MAILS.c.ordinal < mail.ordinal)
    return and_(
        MAILS.c.campaign_id == mail.campaign_id, or_(MAILS.c.scheduled_at < mail.scheduled_at, earlier)
    )


def around(at: float, reach: float) -> tuple[Any, Any]:
    """Return the conditions for the places less than ``reach`` seconds from ``at``."""
    return PLACES.c.at > at - reach, PLACES.c.at < at + reach
