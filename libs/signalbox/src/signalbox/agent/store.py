"""The state store: which answers a message got, kept before they are published.

A message that is delivered again gets the same bytes again: no second model call, no second mail.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sql
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from signalbox.errors import ConfigurationError, Unavailable
from signalbox.names import Headers, MessageId, RecordType

_tables = sql.MetaData()
_answers = sql.Table(
    "answers",
    _tables,
    sql.Column("input_id", sql.String(512), primary_key=True),
    sql.Column("ordinal", sql.Integer, primary_key=True),
    sql.Column("id", sql.String(512), nullable=False),
    sql.Column("record_type", sql.String(512), nullable=False),
    sql.Column("key", sql.LargeBinary, nullable=False),
    sql.Column("value", sql.LargeBinary, nullable=False),
    sql.Column("headers", sql.Text, nullable=False),
    sql.Column("stored_at", sql.DateTime, nullable=False, index=True),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it is published: byte for byte the same each time."""

    id: MessageId
    record_type: RecordType
    key: bytes
    value: bytes
    headers: Headers


class StateStore:
    """Answers by the id of the message that they answer. Its methods block: call them in a thread."""

    def __init__(self, url: str) -> None:
        """Open the store, and make its table where it is new.

        Raises:
            ConfigurationError: when the address can't be used.
        """
        try:
            self._engine = sql.create_engine(url)
            if self._engine.dialect.name == "sqlite":
                sql.event.listen(self._engine, "connect", _make_durable)
            _tables.create_all(self._engine)
        except (SQLAlchemyError, ImportError) as error:
            raise ConfigurationError(f"the state store can't be opened: {error}") from error

    def recall(self, message: MessageId) -> list[Answer]:
        """Return what ``message`` was answered; nothing when it is new.

        Raises:
            Unavailable: the store can't be reached.
        """
        query = sql.select(_answers).where(_answers.c.input_id == message).order_by(_answers.c.ordinal)
        try:
            with self._engine.connect() as connection:
                return [_answer(row) for row in connection.execute(query)]
        except SQLAlchemyError as error:
            raise Unavailable("state store", str(error)) from error

    def remember(self, message: MessageId, answers: Sequence[Answer]) -> list[Answer]:
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


def _row(message: MessageId, ordinal: int, answer: Answer, now: datetime) -> dict[str, Any]:
    headers = [
        [name, None if value is None else base64.b64encode(value).decode()] for name, value in answer.headers
    ]
    return {
        "input_id": message,
        "ordinal": ordinal,
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
