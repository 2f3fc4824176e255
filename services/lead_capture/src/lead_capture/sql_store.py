"""Leads in a relational database: SQLite by default, or another one of SQLAlchemy's."""

import asyncio
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, IntegrityError, NoSuchModuleError, SQLAlchemyError

from lead_capture import sql_counters
from lead_capture.charges import Charge, Limited
from lead_capture.lead import CapturedLead, LeadDetails
from lead_capture.sql_tables import ADDED_LATER, LEADS, METADATA, PROBES
from lead_capture.store import LEASE, CaptureOutcome, OutboxState
from signalbox.process.databases import make_tables
from signalbox.protocol.errors import ConfigurationError, Unavailable
from signalbox.protocol.names import LeadId

_TRIES: Final = 5
_WAITING: Final = LEADS.c.published_ms.is_(None)


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
            make_tables(METADATA, self._engine)
            _add_missing_columns(self._engine)

    async def add(self, leads: Sequence[CapturedLead]) -> list[CaptureOutcome]:
        """Keep the leads that are new, all or none of them."""
        return await asyncio.to_thread(self._add, leads)

    async def admit(self, lead: CapturedLead, charges: Sequence[Charge]) -> CaptureOutcome | Limited:
        """Keep the lead and count it, both or neither."""
        return await asyncio.to_thread(self._admit, lead, charges)

    async def purge(self, now: datetime) -> None:
        await asyncio.to_thread(self._purge, now)

    async def probe(self, size: int) -> None:
        await asyncio.to_thread(self._probe, size)

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

    def _add(self, leads: Sequence[CapturedLead]) -> list[CaptureOutcome]:
        try:
            return self._add_new(leads)
        except IntegrityError:
            # Another request stored one of these ids between our look and our insert: now we see it.
            with _border():
                return self._add_new(leads)

    def _add_new(self, leads: Sequence[CapturedLead]) -> list[CaptureOutcome]:
        with _border(), self._engine.begin() as connection:
            known = _details_of(connection, [lead.lead_id for lead in leads])
            outcomes, new = [], []
            for lead in leads:
                details = lead.details.model_dump()
                before = known.setdefault(lead.lead_id, details)
                if before is details:
                    new.append(_row(lead, details))
                    outcomes.append(CaptureOutcome.STORED)
                else:
                    outcomes.append(CaptureOutcome.KNOWN if before == details else CaptureOutcome.TAKEN)
            if new:
                connection.execute(sa.insert(LEADS), new)
        return outcomes

    def _admit(self, lead: CapturedLead, charges: Sequence[Charge]) -> CaptureOutcome | Limited:
        if not charges:
            return self._add([lead])[0]
        now = datetime.now(UTC)
        for _ in range(_TRIES):
            try:
                outcome, full = self._admit_new(lead, charges, now)
            except IntegrityError:
                continue  # another request made this lead or one of these counters: now we see it
            return outcome if outcome else self._refused(charges, full, now)
        raise Unavailable("lead store", "a counter of this lead is just being made")

    def _admit_new(
        self, lead: CapturedLead, charges: Sequence[Charge], now: datetime
    ) -> tuple[CaptureOutcome | None, dict[str, timedelta]]:
        details = lead.details.model_dump()
        with _border(), self._engine.begin() as connection:
            known = _details_of(connection, [lead.lead_id])
            if lead.lead_id in known:
                return (CaptureOutcome.KNOWN if known[lead.lead_id] == details else CaptureOutcome.TAKEN), {}
            # What is full already costs no write: a flood does not hold the database's lock.
            full = sql_counters.full(connection, charges, now, counted=False)
            if not full:
                sql_counters.count(connection, charges, now)
                full = sql_counters.full(connection, charges, now, counted=True)
                if full:
                    connection.rollback()
                else:
                    connection.execute(sa.insert(LEADS), [_row(lead, details)])
        return (None if full else CaptureOutcome.STORED), full

    def _refused(self, charges: Sequence[Charge], full: dict[str, timedelta], now: datetime) -> Limited:
        """Count a refused post against who posted it, as far as his counters go."""
        posters = [charge for charge in charges if charge.of_poster]
        if not any(charge.key in full for charge in posters):
            with suppress(IntegrityError), _border(), self._engine.begin() as connection:
                sql_counters.count(connection, posters, now)
        return Limited(max(full.values()))

    def _purge(self, now: datetime) -> None:
        with _border(), self._engine.begin() as connection:
            sql_counters.purge(connection, now)

    def _probe(self, size: int) -> None:
        row = {"holder": self._holder, "filler": os.urandom(size)}
        with _border(), self._engine.begin() as connection:
            connection.execute(sa.delete(PROBES).where(PROBES.c.holder == self._holder))
            connection.execute(sa.insert(PROBES), [row])

    def _state(self, lead_id: LeadId) -> OutboxState | None:
        query = sa.select(LEADS.c.captured_ms, LEADS.c.published_ms).where(LEADS.c.lead_id == lead_id)
        with _border(), self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        published = None if row.published_ms is None else _time(row.published_ms)
        return OutboxState(lead_id, _time(row.captured_ms), published)

    def _claim(self, limit: int) -> list[CapturedLead]:
        now = datetime.now(UTC)
        free = sa.and_(_WAITING, self._may_claim(_milliseconds(now)))
        oldest = sa.select(LEADS.c.position).where(free).order_by(LEADS.c.position).limit(limit)
        lease = {"leased_by": self._holder, "leased_until_ms": _milliseconds(now + self._lease)}
        with _border(), self._engine.begin() as connection:
            while positions := connection.execute(oldest).scalars().all():
                ours = LEADS.c.position.in_(positions)
                # The condition is in the update, too: of two processes that saw a row free, one gets it.
                connection.execute(sa.update(LEADS).where(ours, free).values(lease))
                query = sa.select(LEADS).where(ours, _WAITING, LEADS.c.leased_by == self._holder)
                if rows := connection.execute(query.order_by(LEADS.c.position)).all():
                    return list(map(_lead, rows))
        return []

    def _may_claim(self, now_ms: int) -> sa.ColumnElement[bool]:
        until = LEADS.c.leased_until_ms
        return sa.or_(until.is_(None), until <= now_ms, LEADS.c.leased_by == self._holder)

    def _count_waiting(self) -> int:
        query = sa.select(sa.func.count()).select_from(LEADS).where(_WAITING)
        with _border(), self._engine.connect() as connection:
            return connection.execute(query).scalar_one()

    def _mark_published(self, lead_ids: Sequence[LeadId], at: datetime) -> None:
        ours = LEADS.c.lead_id.in_(lead_ids)
        change = sa.update(LEADS).where(ours, _WAITING).values(published_ms=_milliseconds(at))
        with _border(), self._engine.begin() as connection:
            connection.execute(change)

    def _give_back(self) -> None:
        held = sa.and_(_WAITING, LEADS.c.leased_by == self._holder)
        with _border(), self._engine.begin() as connection:
            connection.execute(sa.update(LEADS).where(held).values(leased_by=None, leased_until_ms=None))


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
    there = {column["name"] for column in sa.inspect(engine).get_columns(LEADS.name)}
    for column in ADDED_LATER:
        if column.name not in there:
            kind = column.type.compile(engine.dialect)
            with engine.begin() as connection:
                connection.exec_driver_sql(f"ALTER TABLE {LEADS.name} ADD COLUMN {column.name} {kind}")


def _details_of(connection: sa.Connection, lead_ids: Sequence[LeadId]) -> dict[LeadId, dict[str, Any]]:
    query = sa.select(LEADS.c.lead_id, LEADS.c.details).where(LEADS.c.lead_id.in_(lead_ids))
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
