"""Parts of queries that more than one of the store's modules needs."""

from typing import Any

from sqlalchemy import Connection, Row, Select, Table, and_, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from send_email.tables import MAILS, PLANS, RECIPIENTS


def insert_unless_there(connection: Connection, table: Table, row: dict[str, Any]) -> bool:
    """Insert ``row`` unless its key is there, and say whether it was inserted.

    Waits for another process that is inserting the same one.
    """
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table).values(row).on_conflict_do_nothing()
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount > 0


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
