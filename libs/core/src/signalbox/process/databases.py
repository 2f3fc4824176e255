"""A relational database behind a store: SQLite in a file, or PostgreSQL, which replicas can share."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy as sql
from sqlalchemy.exc import DataError, IntegrityError, OperationalError, SQLAlchemyError

from signalbox.protocol.errors import ConfigurationError, SignalboxError, Unavailable

_PATIENCE: Final = {"connect_timeout": "10", "tcp_user_timeout": "15000"}
"""Seconds to connect, milliseconds until what was sent counts as lost: libpq waits much longer by itself."""
_TRIES: Final = 3


class Unstorable(SignalboxError):
    """The database takes everything but these values: it will not take them later, either."""


class Database:
    """One store's tables. Its methods block: call them in a thread.

    A file must be there to be used, or to be made, at once. A server may be away: then each use is
    ``Unavailable``, and the first one that reaches it makes the tables.
    """

    def __init__(self, url: str, tables: sql.MetaData, *, what: str, variable: str) -> None:
        """Open the store called ``what`` at a SQLAlchemy URL, which the setting ``variable`` gave.

        Raises:
            ConfigurationError: when the URL names no database that can be used. It is not quoted: it may
                hold a password.
        """
        self._engine = _engine(url, variable)
        self._tables = tables
        self._what = what
        self._making = threading.Lock()
        self._made = False
        if self.in_file:
            try:
                self.prepare()
            except Unavailable as error:
                raise ConfigurationError(f"the {what} can't be opened: {error.detail}") from error

    @property
    def in_file(self) -> bool:
        """Say whether it is SQLite, which one machine has for itself."""
        return self._engine.dialect.name == "sqlite"

    def prepare(self) -> None:
        """Make the tables that are missing; another process may be doing the same.

        Raises:
            Unavailable: it can't be reached.
        """
        with self._making:
            if self._made:
                return
            with self._border():
                make_tables(self._tables, self._engine)
            self._made = True

    @contextmanager
    def begin(self) -> Iterator[sql.Connection]:
        """Begin a transaction, which is committed and durable at the end of the block.

        Raises:
            Unavailable: it can't be reached or written; nothing is changed.
            Unstorable: a value is one that it can't hold.
            IntegrityError: a key is taken, SQLAlchemy's own: what that means is for the caller to say.
        """
        self.prepare()
        with self._border(), self._engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    @contextmanager
    def _border(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise
        except DataError as error:
            raise Unstorable(f"the {self._what} can't hold a value ({type(error.orig).__name__})") from None
        except SQLAlchemyError as error:
            raise Unavailable(self._what, _said(error)) from error


def make_tables(tables: sql.MetaData, engine: sql.Engine) -> None:
    """Make the tables that are missing, also while other processes do the same.

    Raises:
        SQLAlchemyError: it can't be done.
    """
    for attempt in range(1, _TRIES + 1):
        try:
            tables.create_all(engine)
        except SQLAlchemyError as error:
            # Another process made the same table between our look and our statement: now we see it.
            away = isinstance(error, OperationalError) and engine.dialect.name != "sqlite"
            if away or attempt == _TRIES:
                raise
        else:
            return


def _engine(url: str, variable: str) -> sql.Engine:
    try:
        address = sql.make_url(url)
        if address.host and "@" in address.host:
            raise ValueError("the password has an @, which must be written %40")
        options: dict[str, Any] = {}
        if address.get_backend_name() == "postgresql":
            given = {name: value for name, value in _PATIENCE.items() if name not in address.query}
            options = {"pool_pre_ping": True, "connect_args": given}
        # Errors name the statement, never its values: they would reach logs and problem documents.
        engine = sql.create_engine(address, hide_parameters=True, **options)
    except (SQLAlchemyError, ImportError, ValueError) as error:
        detail = "is no URL of a database whose driver is installed, such as postgresql://user@host/name"
        raise ConfigurationError(f"{variable} {detail} ({type(error).__name__})") from None
    if engine.dialect.name == "sqlite":
        sql.event.listen(engine, "connect", _make_durable)
    return engine


def _make_durable(connection: Any, _: Any) -> None:
    # WAL with FULL: what was committed is on the disk, also when the power fails.
    for setting in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {setting}")


def _said(error: SQLAlchemyError) -> str:
    """Return the driver's own words on one line: SQLAlchemy's add the statement and a link."""
    return " ".join(str(getattr(error, "orig", None) or error).split())
