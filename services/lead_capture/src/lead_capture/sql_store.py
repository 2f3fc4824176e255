"""Leads in a relational database: SQLite by default, or another one of SQLAlchemy's."""

import asyncio
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, SQLAlchemyError

from lead_capture.lead import CapturedLead, LeadDetails
from lead_capture.store import LEASE, OutboxState, Outcome
from signalbox.databases import make_tables
from signalbox.errors import ConfigurationError, Unavailable
from signalbox.names import LeadId

_METADATA: Final = sa.MetaData()
_LEADS: Final = sa.Table(
    "leads",
    _METADATA,
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
_ADDED_LATER: Final = (_LEADS.c.leased_by, _LEADS.c.leased_until_ms)
_WAITING: Final = _LEADS.c.published_ms.is_(None)


class SqlLeadStore:
    """A LeadStore in a database of SQLAlchemy's. Times are milliseconds since the epoch.

    ``holder`` is the name under which leads are leased, another one for each process.

    Raises:
        ConfigurationError: the URL names no database that can be used.
    """

    def __init__(self, url: str, lease: timedelta = LEASE, holder: str = "") -> None:
        self._engine = _engine(url)
        self._lease = lease
        self._holder = holder or str(uuid.uuid4())
        with _border():
            make_tables(_METADATA, self._engine)
            _add_missing_columns(self._engine)

    async def add(self, leads: Sequence[CapturedLead]) -> list[Outcome]:
        """Keep the leads that are new, all or none of them."""
        return await asyncio.to_thread(self._add, leads)

    async def state(self, lead_id: LeadId) -> OutboxState | None:
        return await asyncio.to_thread(self._state, lead_id)

    async def claim(self, limit: int) -> list[CapturedLead]:
        return await asyncio.to_thread(self._claim, limit)

    async def count_waiting(self) -> int:
        return await asyncio.to_thread(self._count_waiting)

    async def mark_published(self, lead_ids: Sequence[LeadId], at: datetime) -> None:
        await asyncio.to_thread(self._mark_published, lead_ids, at)

    async def close(self) -> None:
        with suppress(Unavailable):  # the leases run out by themselves
            await asyncio.to_thread(self._give_back)
        self._engine.dispose()

    def _add(self, leads: Sequence[CapturedLead]) -> list[Outcome]:
        try:
            return self._add_new(leads)
        except IntegrityError:
            # Another request stored one of these ids between our look and our insert: now we see it.
            with _border():
                return self._add_new(leads)

    def _add_new(self, leads: Sequence[CapturedLead]) -> list[Outcome]:
        with _border(), self._engine.begin() as connection:
            known = _details_of(connection, [lead.lead_id for lead in leads])
            outcomes, new = [], []
            for lead in leads:
                details = lead.details.model_dump()
                before = known.setdefault(lead.lead_id, details)
                if before is details:
                    new.append(_row(lead, details))
                    outcomes.append(Outcome.STORED)
                else:
                    outcomes.append(Outcome.KNOWN if before == details else Outcome.TAKEN)
            if new:
                connection.execute(sa.insert(_LEADS), new)
        return outcomes

    def _state(self, lead_id: LeadId) -> OutboxState | None:
        query = sa.select(_LEADS.c.captured_ms, _LEADS.c.published_ms).where(_LEADS.c.lead_id == lead_id)
        with _border(), self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        published = None if row.published_ms is None else _time(row.published_ms)
        return OutboxState(lead_id, _time(row.captured_ms), published)

    def _claim(self, limit: int) -> list[CapturedLead]:
        now = datetime.now(UTC)
        free = sa.and_(_WAITING, self._may_claim(_milliseconds(now)))
        oldest = sa.select(_LEADS.c.position).where(free).order_by(_LEADS.c.position).limit(limit)
        lease = {"leased_by": self._holder, "leased_until_ms": _milliseconds(now + self._lease)}
        with _border(), self._engine.begin() as connection:
            while positions := connection.execute(oldest).scalars().all():
                ours = _LEADS.c.position.in_(positions)
                # The condition is in the update, too: of two processes that saw a row free, one gets it.
                connection.execute(sa.update(_LEADS).where(ours, free).values(lease))
                query = sa.select(_LEADS).where(ours, _WAITING, _LEADS.c.leased_by == self._holder)
                if rows := connection.execute(query.order_by(_LEADS.c.position)).all():
                    return list(map(_lead, rows))
        return []

    def _may_claim(self, now_ms: int) -> sa.ColumnElement[bool]:
        until = _LEADS.c.leased_until_ms
        return sa.or_(until.is_(None), until <= now_ms, _LEADS.c.leased_by == self._holder)

    def _count_waiting(self) -> int:
        query = sa.select(sa.func.count()).select_from(_LEADS).where(_WAITING)
        with _border(), self._engine.connect() as connection:
            return connection.execute(query).scalar_one()

    def _mark_published(self, lead_ids: Sequence[LeadId], at: datetime) -> None:
        ours = _LEADS.c.lead_id.in_(lead_ids)
        change = sa.update(_LEADS).where(ours, _WAITING).values(published_ms=_milliseconds(at))
        with _border(), self._engine.begin() as connection:
            connection.execute(change)

    def _give_back(self) -> None:
        held = sa.and_(_WAITING, _LEADS.c.leased_by == self._holder)
        with _border(), self._engine.begin() as connection:
            connection.execute(sa.update(_LEADS).where(held).values(leased_by=None, leased_until_ms=None))


def _engine(url: str) -> sa.Engine:
    try:
        target = sa.make_url(url)
        if target.drivername.startswith("sqlite") and target.database:
            # Leads are personal data: the folder is for this user alone.
            Path(target.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A database error would otherwise carry the lead into the logs.
        engine = sa.create_engine(target, hide_parameters=True)
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        # Neither the URL nor SQLAlchemy's words about it, which may quote it: it may hold a password.
        detail = "is no URL of a database whose driver is installed, such as sqlite:///leads.db"
        raise ConfigurationError(f"LEAD_STORE_URL {detail} ({type(error).__name__})") from None
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _make_durable)
    return engine


def _add_missing_columns(engine: sa.Engine) -> None:
    """Bring a table of an earlier version up to date; new columns are empty in its rows."""
    there = {column["name"] for column in sa.inspect(engine).get_columns(_LEADS.name)}
    for column in _ADDED_LATER:
        if column.name not in there:
            kind = column.type.compile(engine.dialect)
            with engine.begin() as connection:
                connection.exec_driver_sql(f"ALTER TABLE {_LEADS.name} ADD COLUMN {column.name} {kind}")


def _details_of(connection: sa.Connection, lead_ids: Sequence[LeadId]) -> dict[LeadId, dict[str, Any]]:
    query = sa.select(_LEADS.c.lead_id, _LEADS.c.details).where(_LEADS.c.lead_id.in_(lead_ids))
    return {row.lead_id: row.details for row in connection.execute(query)}


def _row(lead: CapturedLead, details: dict[str, Any]) -> dict[str, Any]:
    return {"lead_id": lead.lead_id, "details": details, "captured_ms": _milliseconds(lead.captured_at)}


def _lead(row: sa.Row[Any]) -> CapturedLead:
    details = LeadDetails.model_construct(**row.details)
    return CapturedLead(LeadId(row.lead_id), details, _time(row.captured_ms))


def _make_durable(connection: Any, _: object) -> None:
    """Set up SQLite so that a lead that was answered with 202 survives a power cut."""
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "busy_timeout = 15000"):
        connection.execute(f"PRAGMA {pragma}")


@contextmanager
def _border() -> Iterator[None]:
    """Turn what the database says into the project's own error; a unique key's conflict is for the caller."""
    try:
        yield
    except IntegrityError:
        raise
    except SQLAlchemyError as error:
        # The statement's parameters hold personal data: the driver's own text is enough.
        raise Unavailable("lead store", str(getattr(error, "orig", None) or type(error).__name__)) from error


def _milliseconds(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
