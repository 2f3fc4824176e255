"""The projection's SQLite file: opening it, writing facts, reading a workflow's facts back."""

import base64
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from console.facts import (
    CAPTURED,
    INTAKE_DEAD_LETTERS,
    DeadLetter,
    Decision,
    Fact,
    Incoming,
    Message,
    Registration,
    Resolution,
)
from console.journey import Journey, TrackedDeadLetter
from signalbox.protocol.envelope import correlation_id_of
from signalbox.protocol.errors import Unavailable
from signalbox.protocol.names import INCOMING_LEADS, Headers, LeadId

_BUSY_S: Final = 2.0


def create(path: Path) -> sqlite3.Connection:
    """Make an empty projection at ``path``, in place of one that is there, and return its writer.

    Raises:
        Unavailable: it can't be made now.
    """
    with reached():
        return _created(path)


def _created(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        leftover.unlink(missing_ok=True)
    connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    # Readers get a snapshot while the writer goes on. Nothing is lost by losing the file: Kafka has it all.
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")
    connection.executescript(files("console").joinpath("schema.sql").read_text())
    return connection


def reader(path: Path) -> sqlite3.Connection:
    """Open ``path`` for reading."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(
        uri, uri=True, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
    )
    connection.row_factory = sqlite3.Row
    return connection


@contextmanager
def reached() -> Iterator[None]:
    """Convert what SQLite says when the file can't be used now: locked, on a full disk, not readable.

    Raises:
        Unavailable: it may be well again later; nothing was changed.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        raise Unavailable("projection", f"the console's store can't be used: {error}") from error


def insert(connection: sqlite3.Connection, fact: Fact) -> None:
    """Write ``fact`` unless the record that told it was read before."""
    table, row = _ROWS[type(fact)](fact)
    columns = ", ".join(f'"{name}"' for name in row)
    places = ", ".join("?" * len(row))
    statement = f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({places})"
    connection.execute(statement, tuple(row.values()))


def journey(connection: sqlite3.Connection, workflow: str) -> Journey:
    """Read the facts of ``workflow``; only the refusals at intake when no lead of it was captured."""
    messages = _messages(connection, workflow)
    dead_letters = _dead_letters(connection, workflow)
    captured = next((message for message in messages if _started(connection, message)), None)
    if captured is None:
        refused = tuple(
            dead_letter for dead_letter in dead_letters if dead_letter.fact.topic == INTAKE_DEAD_LETTERS
        )
        return Journey(None, (), (), refused)
    return Journey(captured, messages, _decisions(connection, workflow), dead_letters)


def headers_to_json(headers: Headers) -> str:
    """Write headers, which may repeat, be null and be anything but text, as JSON."""
    return json.dumps([[name, None if value is None else _base64(value)] for name, value in headers])


def headers_from_json(text: str) -> Headers:
    """Read what :func:`headers_to_json` wrote."""
    return tuple(
        (name, None if value is None else base64.b64decode(value)) for name, value in json.loads(text)
    )


def to_json(value: Mapping[str, Any] | None) -> str | None:
    """Write a datum as JSON: times in ISO 8601, bytes in base64."""
    return None if value is None else json.dumps(value, default=_plain, ensure_ascii=False)


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return _base64(value) if isinstance(value, bytes) else str(value)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _started(connection: sqlite3.Connection, message: Message) -> bool:
    """Tell whether intake put ``message`` there: a record without a passed lead behind it starts nothing."""
    if message.record_type != CAPTURED or message.hop != 0 or message.lead_id is None:
        return False
    if correlation_id_of(LeadId(message.lead_id)) != message.workflow:
        return False
    passed = connection.execute(_PASSED_INTAKE, (message.lead_id, INTAKE_DEAD_LETTERS, INCOMING_LEADS))
    if passed.fetchone():
        return True
    replayed = "SELECT 1 FROM dead_letter WHERE replay_id = ? AND topic = ?"
    return connection.execute(replayed, (message.id, INTAKE_DEAD_LETTERS)).fetchone() is not None


_PASSED_INTAKE: Final = """
    SELECT 1 FROM incoming AS i WHERE i.lead_id = ? AND NOT EXISTS (
        SELECT 1 FROM dead_letter AS d
        WHERE d.topic = ? AND d.source_topic = ?
        AND d.source_partition = i.partition AND d.source_offset = i."offset"
    ) LIMIT 1
"""


def _messages(connection: sqlite3.Connection, workflow: str) -> tuple[Message, ...]:
    rows = connection.execute(
        'SELECT * FROM message WHERE workflow = ? ORDER BY partition, "offset"', (workflow,)
    )
    return tuple(
        Message(**{name: row[name] for name in _MESSAGE_COLUMNS if name != "content"}) for row in rows
    )


def _decisions(connection: sqlite3.Connection, workflow: str) -> tuple[Decision, ...]:
    rows = connection.execute(
        'SELECT * FROM decision WHERE workflow = ? ORDER BY partition, "offset"', (workflow,)
    )
    return tuple(_decision(row) for row in rows)


def _decision(row: sqlite3.Row) -> Decision:
    lists = {name: tuple(json.loads(row[name])) for name in _DECISION_LISTS}
    values: dict[str, Any] = {name: row[name] for name in _DECISION_COLUMNS} | lists
    return Decision(**values)


def _dead_letters(connection: sqlite3.Connection, workflow: str) -> tuple[TrackedDeadLetter, ...]:
    rows = connection.execute(
        'SELECT * FROM tracked_dead_letter WHERE workflow = ? ORDER BY topic, partition, "offset"',
        (workflow,),
    )
    return tuple(dead_letter_of(row) for row in rows)


def dead_letter_of(row: sqlite3.Row) -> TrackedDeadLetter:
    """Read a row of the view ``tracked_dead_letter``."""
    fact = DeadLetter(
        **{name: row[name] for name in DeadLetter.__slots__ if name != "headers"},
        headers=headers_from_json(row["headers"]),
    )
    return TrackedDeadLetter(
        fact,
        replayed_at=row["replayed_at"],
        replayed_by=row["replayed_by"] or "",
        replayed_why=row["replayed_why"] or "",
        replay_seen=row["replay_seen_at"] is not None,
        discarded_at=row["discarded_at"],
        discarded_by=row["discarded_by"] or "",
        discarded_why=row["discarded_why"] or "",
        heard_at=row["heard_at"],
    )


def _values(fact: object, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(fact, name) for name in names}


def _message_row(fact: Any) -> tuple[str, dict[str, Any]]:
    content = fact.content
    return "message", _values(fact, _MESSAGE_COLUMNS) | {
        "content": to_json(content.datum) if content else None,
        "content_redacted": to_json(content.redacted) if content else None,
    }


def _decision_row(fact: Any) -> tuple[str, dict[str, Any]]:
    lists = {name: json.dumps(getattr(fact, name)) for name in _DECISION_LISTS}
    return "decision", _values(fact, _DECISION_COLUMNS) | lists


def _dead_letter_row(fact: Any) -> tuple[str, dict[str, Any]]:
    return "dead_letter", _values(fact, DeadLetter.__slots__) | {"headers": headers_to_json(fact.headers)}


def _registration_row(fact: Any) -> tuple[str, dict[str, Any]]:
    return "registration", _values(fact, Registration.__slots__) | {
        "definition": to_json(fact.definition),
        "tombstone": int(fact.tombstone),
    }


_MESSAGE_COLUMNS: Final = Message.__slots__
_DECISION_LISTS: Final = ("candidates", "excluded")
_DECISION_COLUMNS: Final = Decision.__slots__
_ROWS: Final = {
    Incoming: lambda fact: ("incoming", _values(fact, Incoming.__slots__)),
    Message: _message_row,
    Decision: _decision_row,
    DeadLetter: _dead_letter_row,
    Resolution: lambda fact: ("closing", _values(fact, Resolution.__slots__)),
    Registration: _registration_row,
}
