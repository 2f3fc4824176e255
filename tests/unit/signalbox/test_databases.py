"""A store's database: when it can't be used, what is said of it, and what happens while it is away."""

import socket
from pathlib import Path

import pytest
import sqlalchemy as sql

from postgres_server import PostgresServer, text_of, why_not
from signalbox.process.databases import Database, Unstorable
from signalbox.protocol.errors import ConfigurationError, Unavailable

PASSWORD = "geheim"
TABLES = sql.MetaData()
NOTES = sql.Table(
    "notes", TABLES, sql.Column("id", sql.Integer, primary_key=True), sql.Column("text", sql.Text)
)


def opened(url: str) -> Database:
    return Database(url, TABLES, what="note store", variable="NOTES_URL")


def note(database: Database, number: int, text: str = "") -> None:
    with database.begin() as connection:
        connection.execute(sql.insert(NOTES), {"id": number, "text": text})


def count(database: Database) -> int:
    with database.begin() as connection:
        return connection.execute(sql.select(sql.func.count()).select_from(NOTES)).scalar_one()


def test_what_is_kept_in_a_file_survives_a_power_failure_as_sqlite_promises(tmp_path: Path) -> None:
    database = opened(f"sqlite:///{tmp_path / 'notes.db'}")
    with database.begin() as connection:
        settings = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")
        ]
    database.close()
    assert settings == ["wal", 2]


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        f"nosuch://user:{PASSWORD}@host/db",
        f"postgresql+nosuch://user:{PASSWORD}@host/db",
        f"postgresql://user:{PASSWORD}@host:port/db",
        f"postgresql://user:{PASSWORD}@{PASSWORD}@host/db",
        "sqlite:////no/such/folder/notes.db",
    ],
)
def test_a_database_that_can_not_be_used_is_a_configuration_error_without_its_password(url: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        opened(url)
    assert PASSWORD not in f"{raised.value}{raised.value.__cause__}"


def test_a_server_that_is_away_is_unavailable_and_its_password_not_told() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        database = opened(f"postgresql://user:{PASSWORD}@127.0.0.1:{closed.getsockname()[1]}/db")
        with pytest.raises(Unavailable) as raised:
            database.prepare()
    assert PASSWORD not in f"{raised.value}{raised.value.__cause__}"
    assert raised.value.what == "note store"


def test_a_wrong_password_is_not_told_either(postgres: sql.URL) -> None:
    with pytest.raises(Unavailable) as raised:
        opened(text_of(postgres.set(password=PASSWORD))).prepare()
    assert PASSWORD not in f"{raised.value}{raised.value.__cause__}"
    assert "password authentication failed" in raised.value.detail


def test_a_value_that_the_database_can_not_hold_is_no_bad_moment(postgres: sql.URL) -> None:
    database = opened(text_of(postgres))
    with pytest.raises(Unstorable) as raised:
        note(database, 1, "a\0secret")
    assert "secret" not in f"{raised.value}{raised.value.__cause__}"
    database.close()


def test_a_server_may_be_away_at_the_start_and_may_be_started_again() -> None:
    if missing := why_not():
        pytest.skip(missing)
    server = PostgresServer()
    database = opened(text_of(server.url))
    try:
        with pytest.raises(Unavailable):
            note(database, 1)
        server.start()
        note(database, 1)
        server.stop()
        with pytest.raises(Unavailable):
            note(database, 2)
        server.start()
        note(database, 3)  # the first use after the restart, over a connection that was cut
        assert count(database) == 2
    finally:
        database.close()
        server.remove()
