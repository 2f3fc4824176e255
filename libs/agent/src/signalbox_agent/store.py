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
from sqlalchemy.exc import IntegrityError

from signalbox.process.databases import Database
from signalbox.protocol.envelope import Envelope
from signalbox.protocol.errors import Unavailable
from signalbox.protocol.names import AgentId, CorrelationId, Headers, LeadId, MessageId, RecordType

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

    def digest(self, agent: AgentId) -> str:
        """Return 64 hexadecimal digits that no other identity has with this agent (SHA-256)."""
        parts = [agent, self.correlation_id, self.message_id, self.record_type, self.lead_id]
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
    """One agent's answers by the message that they answer. Its methods block: call them in a thread.

    Agents may share a database, and replicas of one agent have to: each finds the answers of its own kind.
    Each method raises ``Unavailable`` when the database can't be reached; nothing is changed then.
    """

    def __init__(self, url: str, agent: AgentId) -> None:
        """Open the store of ``agent``; a new database gets its table.

        Raises:
            ConfigurationError: when the address can't be used.
        """
        self._agent = agent
        self._database = Database(url, _tables, what="state store", variable="STATE_STORE_URL")

    def prepare(self) -> None:
        """Return when the database can be used."""
        self._database.prepare()

    def recall(self, message: Identity) -> list[Answer]:
        """Return what ``message`` was answered; nothing when it is new."""
        query = sql.select(_answers).where(_answers.c.input == message.digest(self._agent))
        with self._database.begin() as connection:
            return [_answer(row) for row in connection.execute(query.order_by(_answers.c.ordinal))]

    def remember(self, message: Identity, answers: Sequence[Answer]) -> list[Answer]:
        """Keep ``answers`` durably, and return those that count: another replica's, if it was first."""
        now = datetime.now(UTC).replace(tzinfo=None)
        digest = message.digest(self._agent)
        rows = [_row(digest, message, ordinal, answer, now) for ordinal, answer in enumerate(answers)]
        try:
            with self._database.begin() as connection:
                connection.execute(sql.insert(_answers), rows)
        except IntegrityError:
            if first := self.recall(message):
                return first
            raise Unavailable("state store", "the first answers were purged meanwhile") from None
        return list(answers)

    def purge(self, older_than: timedelta) -> int:
        """Forget what was kept longer ago than ``older_than``, and return how many answers that were."""
        limit = datetime.now(UTC).replace(tzinfo=None) - older_than
        with self._database.begin() as connection:
            return connection.execute(sql.delete(_answers).where(_answers.c.stored_at < limit)).rowcount

    def close(self) -> None:
        """Close the connections."""
        self._database.close()


def _row(digest: str, message: Identity, ordinal: int, answer: Answer, now: datetime) -> dict[str, Any]:
    headers = [
        [name, None if value is None else base64.b64encode(value).decode()] for name, value in answer.headers
    ]
    return {
        "input": digest,
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
