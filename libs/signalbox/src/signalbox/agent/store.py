"""The state store: which answers a message got, kept before they are published.

A message that is delivered again gets the same bytes again: no second model call, no second mail.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sql
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from signalbox.envelope import Envelope
from signalbox.errors import ConfigurationError, Unavailable
from signalbox.names import CorrelationId, Headers, LeadId, MessageId, RecordType

_tables = sql.MetaData()
_answers = sql.Table(
    "workflow_answers",
    _tables,
    sql.Column("input", sql.String(64), primary_key=True),  # Identity.digest: short, whatever the ids are
    sql.Column("ordinal", sql.Integer, primary_key=True),
    sql.Column("correlation_id", sql.Text, nullable=False),  # this and the next are for people
    sql.Column("input_id", sql.Text, nullable=False),
    sql.Column("id", sql.String(512), nullable=False),
    sql.Column("record_type", sql.String(512), nullable=False),
    sql.Column("key", sql.LargeBinary, nullable=False),
    sql.Column("value", sql.LargeBinary, nullable=False),
    sql.Column("headers", sql.Text, nullable=False),
    sql.Column("stored_at", sql.DateTime, nullable=False, index=True),
)


@dataclass(frozen=True, slots=True)
class Identity:
    """What must be the same for a message to be the same message again.

    Ids come from outside: a foreign producer may give two leads' messages one ``ce_id``, and neither may
    get the other's answer. So the workflow, the key and the record type count as well. The router sees a
    message once per workflow and id; whoever posts another key or type under them posts another message.
    """

    correlation_id: CorrelationId
    message_id: MessageId
    record_type: RecordType
    lead_id: LeadId

    @classmethod
    def of(cls, envelope: Envelope, lead_id: LeadId) -> "Identity":
        """Return the identity of a message."""
        return cls(envelope.correlation_id, envelope.id, envelope.type, lead_id)

    @property
    def digest(self) -> str:
        """Return 64 hexadecimal digits that no other identity has (SHA-256)."""
        parts = [self.correlation_id, self.message_id, self.record_type, self.lead_id]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it is published: byte for byte the same each time."""

    id: MessageId
    record_type: RecordType
    key: bytes
    value: bytes
    headers: Headers


class StateStore:
    """Answers by the message that they answer. Its methods block: call them in a thread."""

    def __init__(self, url: str) -> None:
        """Open the store, and make its table where it is new.

        Raises:
            ConfigurationError: when the address can't be used.
        """
        try:
            # Errors name the statement, never its values: they would reach logs and problem documents.
            self._engine = sql.create_engine(url, hide_parameters=True)
            if self._engine.dialect.name == "sqlite":
                sql.event.listen(self._engine, "connect", _make_durable)
            _tables.create_all(self._engine)
        except (SQLAlchemyError, ImportError) as error:
            raise ConfigurationError(f"the state store can't be opened: {error}") from error

    def recall(self, message: Identity) -> list[Answer]:
        """Return what ``message`` was answered; nothing when it is new.

        Raises:
            Unavailable: the store can't be reached.
        """
        query = sql.select(_answers).where(_answers.c.input == message.digest)
        try:
            with self._engine.connect() as connection:
                return [_answer(row) for row in connection.execute(query.order_by(_answers.c.ordinal))]
        except SQLAlchemyError as error:
            raise Unavailable("state store", str(error)) from error

    def remember(self, message: Identity, answers: Sequence[Answer]) -> list[Answer]:
        """Keep ``answers`` durably, and return those that count: another replica's, if it was first.

        Raises:
            Unavailable: the store can't be reached; nothing is kept.
        """
        now = datetime.now(UTC).replace(tzinfo=None)
        rows = [_row(message, ordinal, answer, now) for ordinal, answer in enumerate(answers)]
        try:
            with self._engine.begin() as connection:
                connection.execute(sql.insert(_answers), rows)
        except IntegrityError:
            return self.recall(message)
        except SQLAlchemyError as error:
            raise Unavailable("state store", str(error)) from error
        return list(answers)

    def purge(self, older_than: timedelta) -> int:
        """Forget what was kept longer ago than ``older_than``, and return how many answers that were.

        Raises:
            Unavailable: the store can't be reached.
        """
        limit = datetime.now(UTC).replace(tzinfo=None) - older_than
        try:
            with self._engine.begin() as connection:
                return connection.execute(sql.delete(_answers).where(_answers.c.stored_at < limit)).rowcount
        except SQLAlchemyError as error:
            raise Unavailable("state store", str(error)) from error

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def _make_durable(connection: Any, _: Any) -> None:
    # WAL with FULL: an answer is on the disk before it is published, also when the power fails.
    cursor = connection.cursor()
    for setting in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=10000"):
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()


def _row(message: Identity, ordinal: int, answer: Answer, now: datetime) -> dict[str, Any]:
    headers = [
        [name, None if value is None else base64.b64encode(value).decode()] for name, value in answer.headers
    ]
    return {
        "input": message.digest,
        "ordinal": ordinal,
        "correlation_id": message.correlation_id,
        "input_id": message.message_id,
        "id": answer.id,
        "record_type": answer.record_type,
        "key": answer.key,
        "value": answer.value,
        "headers": json.dumps(headers),
        "stored_at": now,
    }


def _answer(row: Any) -> Answer:
    headers = tuple(
        (name, None if value is None else base64.b64decode(value)) for name, value in json.loads(row.headers)
    )
    return Answer(MessageId(row.id), RecordType(row.record_type), row.key, row.value, headers)
