"""Since when a mail has been put off: what giving up counts from.

Not from its sending time: after an outage, or a stop that wasn't the mail's fault, its first greylisting
would be its end.
"""

from datetime import UTC, datetime

from sqlalchemy import delete, select

from send_email.queries import insert_unless_there
from send_email.tables import DEFERRALS
from signalbox.process.databases import Database


class Deferrals:
    """Blocking; call it from a thread. Each method raises ``Unavailable`` when the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def since(self, message_id: str, now: datetime) -> datetime:
        """Return when the mail was first put off, which is ``now`` when it is the first time."""
        row = {"message_id": message_id, "since": now.timestamp()}
        with self._database.begin() as connection:
            insert_unless_there(connection, DEFERRALS, row)
            first = connection.execute(
                select(DEFERRALS.c.since).where(DEFERRALS.c.message_id == message_id)
            ).scalar_one()
        return datetime.fromtimestamp(first, UTC)

    def forget_all(self) -> None:
        """Let all mails have their whole time again."""
        with self._database.begin() as connection:
            connection.execute(delete(DEFERRALS))
