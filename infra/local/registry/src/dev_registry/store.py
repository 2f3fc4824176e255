"""The registry's tables in one SQLite file.

Each thread has its own connection. Readers see the last commit and never wait for a writer (WAL); writers
queue on one lock, and hold it from the first look until the commit, so that what they saw still holds.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dev_registry.model import Config, Level, Mode, Reference, Seen, StoredSchema, StoredVersion

_TABLES = """
CREATE TABLE IF NOT EXISTS schemas (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    identity TEXT NOT NULL UNIQUE,
    text TEXT NOT NULL,
    details TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS versions (
    subject TEXT NOT NULL,
    version INTEGER NOT NULL,
    schema_id INTEGER NOT NULL REFERENCES schemas (id),
    deleted INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (subject, version)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS versions_of_schema ON versions (schema_id);
CREATE TABLE IF NOT EXISTS used_schemas (
    subject TEXT NOT NULL,
    version INTEGER NOT NULL,
    used_by INTEGER NOT NULL REFERENCES schemas (id) ON DELETE CASCADE,
    PRIMARY KEY (subject, version, used_by)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS configs (subject TEXT PRIMARY KEY, level TEXT, normalize INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS modes (subject TEXT PRIMARY KEY, mode TEXT NOT NULL) WITHOUT ROWID;
"""

_VERSIONS = """
SELECT subject, version, schema_id, text, details, deleted
FROM versions JOIN schemas ON schemas.id = schema_id
"""


class Store:
    """Reads and writes rows; knows no rule of the registry."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._local = threading.local()
        self._writing = threading.Lock()
        self._connection.executescript("PRAGMA journal_mode = WAL;" + _TABLES)

    @property
    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(
                self._path, timeout=30, isolation_level=None, check_same_thread=False
            )
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = NORMAL")
            self._local.connection = connection
        return connection

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Run the block as the only writer; commit at its end, undo all of it on an error."""
        with self._writing:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def ping(self) -> None:
        """Raise sqlite3.Error when the file can't be read."""
        self._connection.execute("SELECT 1 FROM schemas LIMIT 1").fetchone()

    # -- schemas --------------------------------------------------------------------------------------

    def schema(self, schema_id: int) -> StoredSchema | None:
        row = self._one("SELECT id, text, details FROM schemas WHERE id = ?", schema_id)
        return _schema(*row) if row else None

    def schema_id(self, identity: str) -> int | None:
        row = self._one("SELECT id FROM schemas WHERE identity = ?", identity)
        return int(row[0]) if row else None

    def largest_id(self) -> int:
        return int(self._one("SELECT coalesce(max(id), 0) FROM schemas")[0])

    def add_schema(self, identity: str, schema: StoredSchema, wanted_id: int | None) -> int:
        """Store a schema under a new id, which no schema ever had, or under the wanted one."""
        details = {key: value for key, value in schema.as_json().items() if key != "schema"}
        cursor = self._connection.execute(
            "INSERT INTO schemas (id, identity, text, details) VALUES (?, ?, ?, ?)",
            (wanted_id, identity, schema.text, json.dumps(details)),
        )
        schema_id = int(cursor.lastrowid or 0)
        self._connection.executemany(
            "INSERT OR IGNORE INTO used_schemas (subject, version, used_by) VALUES (?, ?, ?)",
            [(reference.subject, reference.version, schema_id) for reference in schema.references],
        )
        return schema_id

    def users(self, subject: str, version: int, *, deleted: bool) -> list[tuple[int, str]]:
        """Return (schema id, subject) of the versions that refer to this one; soft-deleted ones if asked."""
        return [
            (int(row[0]), str(row[1]))
            for row in self._all(
                "SELECT DISTINCT used_by, versions.subject FROM used_schemas "
                "JOIN versions ON versions.schema_id = used_by "
                "WHERE used_schemas.subject = ? AND used_schemas.version = ? AND versions.deleted <= ? "
                "ORDER BY used_by, versions.subject",
                subject,
                version,
                deleted,
            )
        ]

    # -- versions -------------------------------------------------------------------------------------

    def version(self, subject: str, version: int) -> StoredVersion | None:
        row = self._one(_VERSIONS + "WHERE subject = ? AND version = ?", subject, version)
        return _version(*row) if row else None

    def latest(self, subject: str) -> StoredVersion | None:
        row = self._one(
            _VERSIONS + "WHERE subject = ? AND NOT deleted ORDER BY version DESC LIMIT 1", subject
        )
        return _version(*row) if row else None

    def versions(self, subject: str) -> list[StoredVersion]:
        """Return all versions of a subject in ascending order, soft-deleted ones too."""
        return [
            _version(*row) for row in self._all(_VERSIONS + "WHERE subject = ? ORDER BY version", subject)
        ]

    def version_of_schema(self, subject: str, schema_id: int, *, deleted: bool) -> StoredVersion | None:
        """Return the newest version of the subject that has this schema."""
        row = self._one(
            _VERSIONS + "WHERE subject = ? AND schema_id = ? AND deleted <= ? ORDER BY version DESC LIMIT 1",
            subject,
            schema_id,
            deleted,
        )
        return _version(*row) if row else None

    def usages(self, schema_id: int, *, deleted: bool) -> list[tuple[str, int]]:
        return [
            (str(row[0]), int(row[1]))
            for row in self._all(
                "SELECT subject, version FROM versions WHERE schema_id = ? AND deleted <= ? "
                "ORDER BY subject, version",
                schema_id,
                deleted,
            )
        ]

    def all_versions(self, seen: Seen) -> list[StoredVersion]:
        rows = self._all(
            _VERSIONS + "WHERE deleted <= ? AND substr(subject, 1, length(?)) = ? ORDER BY subject, version",
            seen.deleted,
            seen.prefix,
            seen.prefix,
        )
        return [_version(*row) for row in rows]

    def subjects(self, seen: Seen) -> list[str]:
        rows = self._all(
            "SELECT subject FROM versions WHERE substr(subject, 1, length(?)) = ? "
            "GROUP BY subject HAVING min(deleted) BETWEEN ? AND ? ORDER BY subject",
            seen.prefix,
            seen.prefix,
            seen.deleted_only,
            seen.deleted or seen.deleted_only,
        )
        return [str(row[0]) for row in rows]

    def has_subject(self, subject: str, *, deleted: bool) -> bool:
        return bool(
            self._one("SELECT 1 FROM versions WHERE subject = ? AND deleted <= ? LIMIT 1", subject, deleted)
        )

    def counts(self) -> dict[str, int]:
        """Return how many live subjects and versions, and how many schemas there are."""
        subjects, versions = self._one(
            "SELECT count(DISTINCT subject), count(*) FROM versions WHERE NOT deleted"
        )
        [schemas] = self._one("SELECT count(*) FROM schemas")
        return {"subjects": subjects, "versions": versions, "schemas": schemas}

    def add_version(self, subject: str, version: int, schema_id: int) -> None:
        self._connection.execute(
            "INSERT INTO versions (subject, version, schema_id) VALUES (?, ?, ?)",
            (subject, version, schema_id),
        )

    def hide_version(self, subject: str, version: int) -> None:
        self._connection.execute(
            "UPDATE versions SET deleted = 1 WHERE subject = ? AND version = ?", (subject, version)
        )

    def erase_version(self, version: StoredVersion) -> None:
        """Remove a version for good, and its schema too once no version of any subject has it."""
        self._connection.execute(
            "DELETE FROM versions WHERE subject = ? AND version = ?", (version.subject, version.version)
        )
        self._connection.execute(
            "DELETE FROM schemas WHERE id = ? AND NOT EXISTS (SELECT 1 FROM versions WHERE schema_id = ?)",
            (version.schema.schema_id, version.schema.schema_id),
        )

    # -- settings -------------------------------------------------------------------------------------

    def config(self, subject: str) -> Config | None:
        row = self._one("SELECT level, normalize FROM configs WHERE subject = ?", subject)
        if not row:
            return None
        level, normalize = row
        return Config(Level(level) if level else None, None if normalize is None else bool(normalize))

    def put_config(self, subject: str, config: Config) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO configs (subject, level, normalize) VALUES (?, ?, ?)",
            (subject, config.level, config.normalize),
        )

    def drop_config(self, subject: str) -> None:
        self._connection.execute("DELETE FROM configs WHERE subject = ?", (subject,))

    def mode(self, subject: str) -> Mode | None:
        row = self._one("SELECT mode FROM modes WHERE subject = ?", subject)
        return Mode(row[0]) if row else None

    def put_mode(self, subject: str, mode: Mode) -> None:
        self._connection.execute(
            "INSERT OR REPLACE INTO modes (subject, mode) VALUES (?, ?)", (subject, mode)
        )

    def drop_mode(self, subject: str) -> None:
        self._connection.execute("DELETE FROM modes WHERE subject = ?", (subject,))

    def _one(self, statement: str, *values: Any) -> Any:
        return self._connection.execute(statement, values).fetchone()

    def _all(self, statement: str, *values: Any) -> list[Any]:
        return self._connection.execute(statement, values).fetchall()


def _schema(schema_id: int, text: str, details: str) -> StoredSchema:
    said = json.loads(details)
    references = tuple(Reference(**reference) for reference in said.get("references", []))
    return StoredSchema(schema_id, text, references, said.get("metadata"), said.get("ruleSet"))


def _version(
    subject: str, version: int, schema_id: int, text: str, details: str, deleted: int
) -> StoredVersion:
    return StoredVersion(subject, version, _schema(schema_id, text, details), bool(deleted))
