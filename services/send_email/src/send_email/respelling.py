"""Recipients' keys from before: more spellings are one person by now, and a suppression holds for all."""

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Column, Connection, delete, select, update

from send_email.queries import insert_unless_there
from send_email.recipients import Recipient, pattern_of
from send_email.tables import PLACES, PLANS, RECIPIENTS, SUPPRESSIONS
from signalbox import mailbox_providers

_KEPT: Final = ("confirmed_at", "confirmed_by")


def respell(connection: Connection) -> None:
    """Give what is stored the keys that addresses have now; a second time it changes nothing.

    A person with several keys keeps what is known under the new one: a confirmation that only another
    spelling had may be asked for again, and no suppression is lost.
    """
    for old, new in _changed(connection, SUPPRESSIONS.c.pattern, pattern_of):
        row = connection.execute(select(SUPPRESSIONS).where(SUPPRESSIONS.c.pattern == old)).one()
        insert_unless_there(connection, SUPPRESSIONS, {**row._mapping, "pattern": new})
        connection.execute(delete(SUPPRESSIONS).where(SUPPRESSIONS.c.pattern == old))
    for old, new in _changed(connection, RECIPIENTS.c.recipient_key, _key):
        row = connection.execute(select(RECIPIENTS).where(RECIPIENTS.c.recipient_key == old)).one()
        known = {name: row._mapping[name] for name in _KEPT}
        domain = new.rpartition("@")[2]
        insert_unless_there(connection, RECIPIENTS, {"recipient_key": new, "domain": domain, **known})
        connection.execute(update(PLANS).where(PLANS.c.recipient_key == old).values(recipient_key=new))
        moved = {"recipient_key": new, "domain": domain}
        connection.execute(update(PLACES).where(PLACES.c.recipient_key == old).values(moved))
        connection.execute(delete(RECIPIENTS).where(RECIPIENTS.c.recipient_key == old))


def _key(stored: str) -> str:
    # A domain's own row is no one's; it is made when it is needed.
    return stored if stored.startswith("@") else Recipient.of_stored(stored).key


def _changed(
    connection: Connection, column: "Column[Any]", now: Callable[[str], str]
) -> list[tuple[str, str]]:
    stored = connection.execute(select(column)).scalars().all()
    concerned = (one for one in stored if mailbox_providers.known(one.rpartition("@")[2]))
    return [(one, new) for one in concerned if (new := _or_itself(now, one)) != one]


def _or_itself(now: Callable[[str], str], stored: str) -> str:
    try:
        return now(stored)
    except ValueError:
        return stored
