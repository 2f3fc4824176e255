"""The tables of the relational lead store: leads with their outbox, counters of strangers' posts, a probe."""

from typing import Final

import sqlalchemy as sa

METADATA: Final = sa.MetaData()
LEADS: Final = sa.Table(
    "leads",
    METADATA,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("lead_id", sa.String(100), nullable=False, unique=True),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Column("captured_ms", sa.BigInteger, nullable=False),
    sa.Column("published_ms", sa.BigInteger),
    sa.Column("leased_by", sa.String(100)),
    sa.Column("leased_until_ms", sa.BigInteger),
    sa.Index("leads_published_position", "published_ms", "position"),
    sqlite_autoincrement=True,
)
COUNTERS: Final = sa.Table(
    "lead_counters",
    METADATA,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("ends_ms", sa.BigInteger, nullable=False, index=True),
)
PROBES: Final = sa.Table(
    "store_probes",
    METADATA,
    sa.Column("holder", sa.String(100), primary_key=True),
    sa.Column("filler", sa.LargeBinary, nullable=False),
)
ADDED_LATER: Final = (LEADS.c.leased_by, LEADS.c.leased_until_ms)
