"""The lead store: each lead is kept with its own outbox state, one row or document a lead.

A lead that was accepted but not yet published has no ``published_at``. Lead and outbox entry are the
same row, so no transaction has to span two of them, and a document database can be a store as well.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from pathlib import Path
from typing import Any, Final, Protocol

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from lead_capture.lead import CapturedLead, LeadDetails
from signalbox.errors import Unavailable
from signalbox.names import LeadId


class Outcome(Enum):
    """What became of a lead that was added."""

    STORED = auto()
    KNOWN = auto()
    """The same lead was there before: a resubmission."""
    TAKEN = auto()
    """Another lead has this id; the store is unchanged."""


@dataclass(frozen=True, slots=True)
class OutboxState:
    """When a lead was captured and when its broker acknowledged it; ``published_at`` is None until then."""

    lead_id: LeadId
    captured_at: datetime
    published_at: datetime | None


class LeadStore(Protocol):
    """Keeps leads durably. Every method blocks, may be called from any thread, and raises Unavailable."""

    def add(self, leads: Sequence[CapturedLead]) -> list[Outcome]:
        """Keep the leads that are new, all or none of them; one outcome a lead, in their order."""

    def state(self, lead_id: LeadId) -> OutboxState | None:
        """Return a lead's outbox state; None when the lead is unknown."""

    def waiting(self, limit: int) -> list[CapturedLead]:
        """Return the leads that are still to be published, in the order of capture."""

    def count_waiting(self) -> int:
        """Count the leads that are still to be published."""

    def mark_published(self, lead_ids: Sequence[LeadId], at: datetime) -> None:
        """Note that the broker has these leads."""

    def close(self) -> None:
        """Let go of all connections."""


_METADATA: Final = sa.MetaData()
_LEADS: Final = sa.Table(
    "leads",
    _METADATA,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("lead_id", sa.String(100), nullable=False, unique=True),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Column("captured_ms", sa.BigInteger, nullable=False),
    sa.Column("published_ms", sa.BigInteger),
    sa.Index("leads_published_position", "published_ms", "position"),
    sqlite_autoincrement=True,
)


class SqlLeadStore:
    """A LeadStore in a database of SQLAlchemy's, SQLite by choice. Times are milliseconds since the epoch."""

    def __init__(self, url: str) -> None:
        target = sa.make_url(url)
        if target.drivername.startswith("sqlite") and target.database:
            # Leads are personal data: the folder is for this user alone.
            Path(target.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A database error would otherwise carry the lead into the logs.
        self._engine = sa.create_engine(target, hide_parameters=True)
        if self._engine.dialect.name == "sqlite":
            sa.event.listen(self._engine, "connect", _make_durable)
        with _border():
            _METADATA.create_all(self._engine)

    def add(self, leads: Sequence[CapturedLead]) -> list[Outcome]:
        try:
            return self._add(leads)
        except IntegrityError:
            # Another request stored one of these ids between our look and our insert: now we see it.
            with _border():
                return self._add(leads)

    def state(self, lead_id: LeadId) -> OutboxState | None:
        query = sa.select(_LEADS.c.captured_ms, _LEADS.c.published_ms).where(_LEADS.c.lead_id == lead_id)
        with _border(), self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        published = None if row.published_ms is None else _time(row.published_ms)
        return OutboxState(lead_id, _time(row.captured_ms), published)

    def waiting(self, limit: int) -> list[CapturedLead]:
        query = (
            sa.select(_LEADS).where(_LEADS.c.published_ms.is_(None)).order_by(_LEADS.c.position).limit(limit)
        )
        with _border(), self._engine.connect() as connection:
            rows = connection.execute(query).all()
        return [
            CapturedLead(
                LeadId(row.lead_id), LeadDetails.model_construct(**row.details), _time(row.captured_ms)
            )
            for row in rows
        ]

    def count_waiting(self) -> int:
        query = sa.select(sa.func.count()).select_from(_LEADS).where(_LEADS.c.published_ms.is_(None))
        with _border(), self._engine.connect() as connection:
            return connection.execute(query).scalar_one()

    def mark_published(self, lead_ids: Sequence[LeadId], at: datetime) -> None:
        change = (
            sa.update(_LEADS).where(_LEADS.c.lead_id.in_(lead_ids)).values(published_ms=_milliseconds(at))
        )
        with _border(), self._engine.begin() as connection:
            connection.execute(change)

    def close(self) -> None:
        self._engine.dispose()

    def _add(self, leads: Sequence[CapturedLead]) -> list[Outcome]:
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


def _details_of(connection: sa.Connection, lead_ids: Sequence[LeadId]) -> dict[LeadId, dict[str, Any]]:
    query = sa.select(_LEADS.c.lead_id, _LEADS.c.details).where(_LEADS.c.lead_id.in_(lead_ids))
    return {row.lead_id: row.details for row in connection.execute(query)}


def _row(lead: CapturedLead, details: dict[str, Any]) -> dict[str, Any]:
    return {"lead_id": lead.lead_id, "details": details, "captured_ms": _milliseconds(lead.captured_at)}


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
