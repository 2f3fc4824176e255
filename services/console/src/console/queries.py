"""Questions to the projection. Each answer is read in one transaction, so it is one snapshot."""

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from console import statements, store
from console.answers import (
    Agent,
    DeadLetterPage,
    Lead,
    LeadPage,
    Stats,
    time_of,
)
from console.facts import CAPTURED, INTAKE_DEAD_LETTERS
from console.journey import Status, TrackedDeadLetter
from console.summaries import dead_letter_summary, lead_summary, timeline_of
from console.waiting import StallDetector
from signalbox.protocol.envelope import correlation_id_of
from signalbox.protocol.names import LeadId
from signalbox.protocol.reasons import Stage


class UnknownCursor(Exception):
    """``after`` names nothing that is there."""


class DeadLetterState(StrEnum):
    """What became of a dead letter; ``unaudited`` are those replayed ones whose audit event is missing."""

    OPEN = "open"
    REPLAYED = "replayed"
    DISCARDED = "discarded"
    UNAUDITED = "unaudited"


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """What dead letters must be like besides their reason; ``since`` in milliseconds since the epoch.

    ``topic`` is the refused record's or the dead letter's, ``agent`` wrote the record or was to take it.
    """

    state: DeadLetterState | None = None
    topic: str | None = None
    agent: str | None = None
    contract: str | None = None
    since: int | None = None


class Queries:
    """Reads the projection at ``path`` while it is being written."""

    def __init__(self, path: Path, stalls: StallDetector | None = None) -> None:
        self._path = path
        self._stalls = stalls or StallDetector()

    def stats(self) -> Stats:
        """Count everything, in one snapshot."""
        with self._snapshot() as read:
            by_status = dict(read.execute("SELECT status, count(*) FROM lead GROUP BY status").fetchall())
            counts = {status.value: by_status.get(status.value, 0) for status in Status}
            return Stats(
                captured=sum(counts.values()),
                unattributed=_number(read, statements.UNATTRIBUTED, statements.TOPICS),
                refused_at_intake=_number(read, statements.REFUSED_AT_INTAKE, statements.TOPICS),
                llm_calls=_number(read, statements.MODEL_CALLS, {}),
                rejected_before_llm=_number(read, statements.REJECTED_BEFORE_LLM, statements.TOPICS),
                **counts,
            )

    def stalled(self) -> int:
        """Count the leads that are in flight and were not heard of for too long."""
        with self._snapshot() as read:
            return _number(read, statements.STALLED, {"before": self._stalls.stalled_before})

    def leads(
        self,
        status: Status | None = None,
        limit: int = 100,
        after: str | None = None,
        *,
        stalled: bool = False,
    ) -> LeadPage:
        """List captured leads, newest first, from behind the lead ``after``; with ``stalled`` only such.

        Raises:
            UnknownCursor: there is no lead ``after``.
        """
        with self._snapshot() as read:
            place = _place(read, "SELECT captured_at, lead_id FROM lead WHERE lead_id = ?", after)
            rows = read.execute(
                statements.LEADS,
                {
                    "status": status and status.value,
                    "at": place and place[0],
                    "id": after,
                    "before": self._stalls.stalled_before if stalled else None,
                    "limit": limit + 1,
                },
            ).fetchall()
            leads = [lead_summary(row, **self._standing(read, row)) for row in rows[:limit]]
        return LeadPage(leads=leads, next=leads[-1].lead_id if len(rows) > limit else None)

    def lead(self, lead_id: str) -> Lead | None:
        """Return a lead with its timeline; also one that was refused at intake. None if unheard of."""
        workflow = correlation_id_of(LeadId(lead_id))
        with self._snapshot() as read:
            journey = store.journey(read, workflow)
            row = read.execute("SELECT * FROM lead WHERE workflow = ?", (workflow,)).fetchone()
        if journey.captured is None and not journey.dead_letters:
            return None
        content = json.loads(row["content"]) if row and row["content"] else None
        return Lead(
            lead_id=lead_id,
            status=journey.status,
            timeline=timeline_of(journey),
            lead=content.get("lead", content) if content else None,
            stalled=self._is_stalled(journey.status, journey.heard_at),
            waiting_for=self._stalls.waits_of(journey),
        )

    def _standing(self, read: sqlite3.Connection, row: sqlite3.Row) -> dict[str, Any]:
        if row["status"] != Status.IN_FLIGHT.value:
            return {}
        return {
            "stalled": self._is_stalled(Status.IN_FLIGHT, row["heard_at"]),
            "waiting_for": self._stalls.waits_of(store.journey(read, row["workflow"])),
        }

    def _is_stalled(self, status: Status, heard_at: int) -> bool:
        return status is Status.IN_FLIGHT and heard_at < self._stalls.stalled_before

    def dead_letters(
        self,
        reason: str | None = None,
        limit: int = 100,
        after: tuple[str, int, int] | None = None,
        wanted: DeadLetterFilter = DeadLetterFilter(),
    ) -> DeadLetterPage:
        """List dead letters, newest first, from behind the one at the position ``after``.

        Raises:
            UnknownCursor: there is no dead letter at ``after``.
        """
        with self._snapshot() as read:
            place = _place(read, f"SELECT at FROM dead_letter {statements.AT_POSITION}", *(after or (None,)))
            topic, partition, offset = after or (None, None, None)
            rows = read.execute(
                statements.DEAD_LETTERS,
                {
                    "reason": reason,
                    "state": wanted.state,
                    "of_topic": wanted.topic,
                    "agent": wanted.agent,
                    "contract": wanted.contract,
                    "since": wanted.since,
                    "intake_dead_letters": INTAKE_DEAD_LETTERS,
                    "captured": CAPTURED,
                    "dispatch": Stage.DISPATCH.value,
                    "at": place and place[0],
                    "topic": topic,
                    "partition": partition,
                    "offset": offset,
                    "limit": limit + 1,
                },
            ).fetchall()
        dead_letters = [dead_letter_summary(store.dead_letter_of(row)) for row in rows[:limit]]
        last = dead_letters[-1] if len(rows) > limit else None
        following = f"{last.topic}/{last.partition}/{last.offset}" if last else None
        return DeadLetterPage(dead_letters=dead_letters, next=following)

    def dead_letter(self, topic: str, partition: int, offset: int) -> TrackedDeadLetter | None:
        """Return the dead letter at a position, or None."""
        if min(partition, offset) < 0 or max(partition, offset) > _LAST_OFFSET:
            return None
        with self._snapshot() as read:
            row = read.execute(
                f"SELECT * FROM tracked_dead_letter {statements.AT_POSITION}", (topic, partition, offset)
            ).fetchone()
        return store.dead_letter_of(row) if row else None

    def reasons(self) -> Mapping[str, int]:
        """Count dead letters by reason."""
        with self._snapshot() as read:
            query = "SELECT reason, count(*) FROM dead_letter GROUP BY reason ORDER BY reason"
            return dict(read.execute(query).fetchall())

    def agents(self) -> list[Agent]:
        """List every agent that was announced, removed ones too, by id."""
        with self._snapshot() as read:
            rows = read.execute(statements.AGENTS).fetchall()
        return [
            Agent(
                agent_id=row["agent_id"],
                removed=bool(row["tombstone"]),
                at=time_of(row["at"]),
                definition=json.loads(row["definition"]) if row["definition"] else None,
            )
            for row in rows
        ]

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        with store.reached(), closing(store.reader(self._path)) as connection:
            connection.execute("BEGIN")
            yield connection


def dead_letter_position(text: str | None) -> tuple[str, int, int] | None:
    """Read ``topic/partition/offset``; None for None.

    Raises:
        UnknownCursor: it is something else.
    """
    if text is None:
        return None
    match text.split("/"):
        case [topic, partition, offset] if _NUMBER.fullmatch(partition) and _NUMBER.fullmatch(offset):
            return topic, int(partition), int(offset)
        case _:
            raise UnknownCursor(text)


def _place(read: sqlite3.Connection, query: str, *key: Any) -> sqlite3.Row | None:
    if key[0] is None:
        return None
    found: sqlite3.Row | None = read.execute(query, key).fetchone()
    if found is None:
        raise UnknownCursor("/".join(str(part) for part in key))
    return found


def _number(read: sqlite3.Connection, query: str, parameters: Mapping[str, Any]) -> int:
    return int(read.execute(query, parameters).fetchone()[0] or 0)


_LAST_OFFSET: Final = 2**63 - 1
_NUMBER: Final = re.compile("[0-9]{1,18}")
