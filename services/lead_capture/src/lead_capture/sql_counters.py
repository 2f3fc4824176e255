"""Counters of strangers' posts in a relational database, in the transaction of the lead that they count."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from lead_capture.charges import Charge
from lead_capture.sql_tables import COUNTERS


def count(connection: sa.Connection, charges: Sequence[Charge], now: datetime) -> None:
    """Count one post on each counter, in one order everywhere, so that no two wait for each other."""
    now_ms = _milliseconds(now)
    for charge in sorted(charges, key=lambda one: one.key):
        ours = COUNTERS.c.key == charge.key
        more = sa.update(COUNTERS).where(ours, COUNTERS.c.ends_ms > now_ms)
        if connection.execute(more.values(count=COUNTERS.c.count + 1)).rowcount:
            continue
        first = {"count": 1, "ends_ms": _milliseconds(now + charge.period)}
        if not connection.execute(sa.update(COUNTERS).where(ours).values(first)).rowcount:
            connection.execute(sa.insert(COUNTERS).values(key=charge.key, **first))


def full(
    connection: sa.Connection, charges: Sequence[Charge], now: datetime, *, counted: bool
) -> dict[str, timedelta]:
    """Return the counters that are full, and for how long; ``counted``: they have counted this post."""
    now_ms = _milliseconds(now)
    limits = {charge.key: charge.limit + counted for charge in charges}
    columns = COUNTERS.c.key, COUNTERS.c.count, COUNTERS.c.ends_ms
    query = sa.select(*columns).where(COUNTERS.c.key.in_(list(limits)), COUNTERS.c.ends_ms > now_ms)
    return {
        key: timedelta(milliseconds=ends_ms - now_ms)
        for key, counted_by_now, ends_ms in connection.execute(query)
        if counted_by_now >= limits[key]
    }


def purge(connection: sa.Connection, now: datetime) -> None:
    """Forget the counters whose time has ended."""
    connection.execute(sa.delete(COUNTERS).where(COUNTERS.c.ends_ms <= _milliseconds(now)))


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)
