"""The projection: facts go in, and the leads that they concern are derived again.

A lead's row is a function of the facts alone, and every fact marks each workflow that it can change, so
the result is the same in whatever order the topics are read, and however often.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeAlias

from console import store
from console.facts import (
    INTAKE_DEAD_LETTERS,
    DeadLetter,
    Decision,
    Decoded,
    Fact,
    Incoming,
    Message,
    Registration,
    Resolution,
)
from console.reading import fact_of
from signalbox.protocol.envelope import correlation_id_of
from signalbox.protocol.names import LeadId
from signalbox.protocol.records import Record

Decode: TypeAlias = Callable[[Record], Decoded | None]
"""Decodes what the projection wants of a record; None when there is nothing, or it can't be decoded."""


class Projection:
    """Writes what records say into the store; one call of :meth:`apply` is one transaction."""

    def __init__(self, writer: sqlite3.Connection, decode: Decode) -> None:
        self._writer = writer
        self._decode = decode

    def apply(self, *records: Record) -> None:
        """Take in ``records``; one that was taken in before changes nothing.

        Raises:
            Unavailable: the store can't be written now; nothing was changed.
        """
        facts = [fact for record in records if (fact := fact_of(record, self._decode(record))) is not None]
        if not facts:
            return
        with store.reached():
            self._write(facts)

    def _write(self, facts: Sequence[Fact]) -> None:
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            for fact in facts:
                store.insert(self._writer, fact)
            for workflow in self._touched(facts):
                self._derive(workflow)
            self._writer.execute("COMMIT")
        except BaseException:
            if self._writer.in_transaction:  # a full disk ends a transaction by itself
                self._writer.execute("ROLLBACK")
            raise

    def _touched(self, facts: Iterable[Fact]) -> set[str]:
        # Asked after all facts are written, so that it does not matter which of two linked ones came first.
        return {
            workflow for fact in facts for workflow in _TOUCHES[type(fact)](self._writer, fact) if workflow
        }

    def _derive(self, workflow: str) -> None:
        journey = store.journey(self._writer, workflow)
        captured = journey.captured
        if captured is None:
            self._writer.execute("DELETE FROM lead WHERE workflow = ?", (workflow,))
            return
        self._writer.execute(
            _UPSERT,
            {
                "workflow": workflow,
                "lead_id": captured.lead_id,
                "status": journey.status.value,
                "captured_at": captured.at,
                "updated_at": journey.updated_at,
                "heard_at": journey.heard_at,
                "partition": captured.partition,
                "offset": captured.offset,
            },
        )


_UPSERT: Final = """
    INSERT OR REPLACE INTO lead
        (workflow, lead_id, status, captured_at, updated_at, heard_at, content, content_redacted)
    SELECT :workflow, :lead_id, :status, :captured_at, :updated_at, :heard_at, content, content_redacted
    FROM message WHERE partition = :partition AND "offset" = :offset
"""


def _by_incoming(writer: sqlite3.Connection, fact: Any) -> Iterator[str | None]:
    yield None if fact.lead_id is None else correlation_id_of(LeadId(fact.lead_id))
    yield from _replayed_by(writer, fact.id)


def _by_message(writer: sqlite3.Connection, fact: Any) -> Iterator[str | None]:
    yield fact.workflow
    yield from _replayed_by(writer, fact.id)


def _by_decision(_: sqlite3.Connection, fact: Any) -> Iterator[str | None]:
    yield fact.workflow


def _by_dead_letter(writer: sqlite3.Connection, fact: Any) -> Iterator[str | None]:
    yield fact.workflow
    if fact.topic == INTAKE_DEAD_LETTERS:
        # It may say that a lead did not pass, and it may be what a captured lead is the replay of.
        yield from _column(
            writer,
            'SELECT lead_id FROM incoming WHERE partition = ? AND "offset" = ?',
            (fact.source_partition, fact.source_offset),
            lambda lead_id: correlation_id_of(LeadId(lead_id)),
        )
        yield from _column(writer, "SELECT workflow FROM message WHERE id = ?", (fact.replay_id,))


def _by_closing(writer: sqlite3.Connection, fact: Any) -> Iterator[str | None]:
    lies_at = (fact.topic, fact.partition, fact.offset)
    query = 'SELECT workflow FROM dead_letter WHERE topic = ? AND partition = ? AND "offset" = ?'
    yield from _column(writer, query, lies_at)


def _by_registration(_: sqlite3.Connection, __: Any) -> Iterator[str | None]:
    yield from ()


def _replayed_by(writer: sqlite3.Connection, message_id: str) -> Iterator[str | None]:
    yield from _column(writer, "SELECT workflow FROM dead_letter WHERE replay_id = ?", (message_id,))


def _column(
    writer: sqlite3.Connection,
    query: str,
    parameters: tuple[Any, ...],
    made: Callable[[str], str] = str,
) -> Iterator[str | None]:
    yield from (made(row[0]) for row in writer.execute(query, parameters).fetchall() if row[0] is not None)


_TOUCHES: Final[dict[type, Callable[[sqlite3.Connection, Any], Iterator[str | None]]]] = {
    Incoming: _by_incoming,
    Message: _by_message,
    Decision: _by_decision,
    DeadLetter: _by_dead_letter,
    Resolution: _by_closing,
    Registration: _by_registration,
}
