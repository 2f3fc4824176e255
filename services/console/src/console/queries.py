"""Questions to the projection. Each answer is read in one transaction, so it is one snapshot."""

import base64
import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from console import store
from console.answers import (
    Agent,
    DeadLetterPage,
    DeadLetterSummary,
    Header,
    Lead,
    LeadPage,
    LeadSummary,
    Stats,
    TimelineEntry,
    time_of,
)
from console.facts import CAPTURED, INTAKE_LETTERS, MESSAGE_LETTERS
from console.journey import Journey, Letter, Status
from console.waiting import StallDetector
from signalbox.protocol.envelope import correlation_id_of
from signalbox.protocol.names import AGENT_MESSAGES, Headers, LeadId
from signalbox.protocol.reasons import Stage


class UnknownCursor(Exception):
    """``after`` names nothing that is there."""


class LetterState(StrEnum):
    """What became of a dead letter; ``unaudited`` are those replayed ones whose audit event is missing."""

    OPEN = "open"
    REPLAYED = "replayed"
    DISCARDED = "discarded"
    UNAUDITED = "unaudited"


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """What dead letters must be like besides their reason; ``since`` in milliseconds since the epoch.

    ``topic`` is the refused record's or the dead letter's, ``agent`` wrote the record or was to take it.
    """

    state: LetterState | None = None
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
                unattributed=_number(read, _UNATTRIBUTED, _TOPICS),
                refused_at_intake=_number(read, _REFUSED_AT_INTAKE, _TOPICS),
                llm_calls=_number(read, _MODEL_CALLS, {}),
                rejected_before_llm=_number(read, _REJECTED_BEFORE_LLM, _TOPICS),
                **counts,
            )

    def stalled(self) -> int:
        """Count the leads that are in flight and were not heard of for too long."""
        with self._snapshot() as read:
            return int(read.execute(_STALLED, {"before": self._stalls.stalled_before}).fetchone()[0])

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
                _LEADS,
                {
                    "status": status and status.value,
                    "at": place and place[0],
                    "id": after,
                    "before": self._stalls.stalled_before if stalled else None,
                    "limit": limit + 1,
                },
            ).fetchall()
            leads = [_lead_summary(row, **self._standing(read, row)) for row in rows[:limit]]
        return LeadPage(leads=leads, next=leads[-1].lead_id if len(rows) > limit else None)

    def lead(self, lead_id: str) -> Lead | None:
        """Return a lead with its timeline; also one that was refused at intake. None if unheard of."""
        workflow = correlation_id_of(LeadId(lead_id))
        with self._snapshot() as read:
            journey = store.journey(read, workflow)
            row = read.execute("SELECT * FROM lead WHERE workflow = ?", (workflow,)).fetchone()
        if journey.captured is None and not journey.letters:
            return None
        content = json.loads(row["content"]) if row and row["content"] else None
        return Lead(
            lead_id=lead_id,
            status=journey.status,
            timeline=_timeline(journey),
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
        wanted: LetterFilter = LetterFilter(),
    ) -> DeadLetterPage:
        """List dead letters, newest first, from behind the one at the position ``after``.

        Raises:
            UnknownCursor: there is no dead letter at ``after``.
        """
        with self._snapshot() as read:
            place = _place(read, f"SELECT at FROM dead_letter {_AT_POSITION}", *(after or (None,)))
            topic, partition, offset = after or (None, None, None)
            rows = read.execute(
                _LETTERS,
                {
                    "reason": reason,
                    "state": wanted.state,
                    "of_topic": wanted.topic,
                    "agent": wanted.agent,
                    "contract": wanted.contract,
                    "since": wanted.since,
                    "intake_letters": INTAKE_LETTERS,
                    "captured": CAPTURED,
                    "dispatch": Stage.DISPATCH.value,
                    "at": place and place[0],
                    "topic": topic,
                    "partition": partition,
                    "offset": offset,
                    "limit": limit + 1,
                },
            ).fetchall()
        letters = [letter_summary(store.letter_of(row)) for row in rows[:limit]]
        last = letters[-1] if len(rows) > limit else None
        following = f"{last.topic}/{last.partition}/{last.offset}" if last else None
        return DeadLetterPage(dead_letters=letters, next=following)

    def dead_letter(self, topic: str, partition: int, offset: int) -> Letter | None:
        """Return the dead letter at a position, or None."""
        if min(partition, offset) < 0 or max(partition, offset) > _LAST_OFFSET:
            return None
        with self._snapshot() as read:
            row = read.execute(f"SELECT * FROM letter {_AT_POSITION}", (topic, partition, offset)).fetchone()
        return store.letter_of(row) if row else None

    def reasons(self) -> Mapping[str, int]:
        """Count dead letters by reason."""
        with self._snapshot() as read:
            query = "SELECT reason, count(*) FROM dead_letter GROUP BY reason ORDER BY reason"
            return dict(read.execute(query).fetchall())

    def agents(self) -> list[Agent]:
        """List every agent that was announced, removed ones too, by id."""
        with self._snapshot() as read:
            rows = read.execute(_AGENTS).fetchall()
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


def letter_position(text: str | None) -> tuple[str, int, int] | None:
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


def letter_summary(letter: Letter) -> DeadLetterSummary:
    """Describe a dead letter without its bytes."""
    fact = letter.fact
    return DeadLetterSummary(
        topic=fact.topic,
        partition=fact.partition,
        offset=fact.offset,
        at=time_of(fact.at),
        state=letter.state,
        reason=fact.reason,
        stage=fact.stage,
        detail=fact.detail,
        field=fact.field,
        key=None if fact.key is None else fact.key.decode(errors="replace"),
        lead_id=fact.lead_id,
        message_id=fact.message_id,
        correlation_id=fact.workflow,
        record_type=fact.record_type,
        model_calls=fact.model_calls,
        source=fact.source,
        **_closed(letter),
        source_topic=fact.source_topic,
        source_partition=fact.source_partition,
        source_offset=fact.source_offset,
        size=len(fact.value or b""),
        headers=_headers(fact.headers),
    )


def _closed(letter: Letter) -> dict[str, Any]:
    replayed = letter.state == "replayed"
    at = letter.replayed_at if replayed else letter.discarded_at
    return {
        "closed_at": None if at is None else time_of(at),
        "closed_by": letter.replayed_by if replayed else letter.discarded_by,
        "closed_why": letter.replayed_why if replayed else letter.discarded_why,
    }


def _headers(headers: Headers) -> list[Header]:
    return [Header(name=name, text=_text(value), base64=_base64(value)) for name, value in headers]


def _text(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def _timeline(journey: Journey) -> list[TimelineEntry]:
    return [
        TimelineEntry(
            at=time_of(entry.at),
            stage=entry.stage,
            record_type=entry.record_type,
            agent=entry.agent,
            message_id=entry.message_id,
            detail=dict(entry.detail),
        )
        for entry in journey.timeline
    ]


def _lead_summary(row: sqlite3.Row, **standing: Any) -> LeadSummary:
    content = json.loads(row["content_redacted"]) if row["content_redacted"] else {}
    shown = content.get("lead", {})
    return LeadSummary(
        lead_id=row["lead_id"],
        status=Status(row["status"]),
        captured_at=time_of(row["captured_at"]),
        updated_at=time_of(row["updated_at"]),
        **{name: shown.get(name) for name in ("company_name", "job_title", "lead_source")},
        **standing,
    )


def _place(read: sqlite3.Connection, query: str, *key: Any) -> sqlite3.Row | None:
    if key[0] is None:
        return None
    found: sqlite3.Row | None = read.execute(query, key).fetchone()
    if found is None:
        raise UnknownCursor("/".join(str(part) for part in key))
    return found


def _number(read: sqlite3.Connection, query: str, parameters: Mapping[str, str]) -> int:
    return int(read.execute(query, parameters).fetchone()[0] or 0)


_LAST_OFFSET: Final = 2**63 - 1
_NUMBER: Final = re.compile("[0-9]{1,18}")
_TOPICS: Final = {
    "messages": AGENT_MESSAGES,
    "message_letters": MESSAGE_LETTERS,
    "intake_letters": INTAKE_LETTERS,
    "intake": Stage.INTAKE.value,
    "gate": Stage.GATE.value,
    "guard": Stage.GUARD.value,
}

_AT_POSITION: Final = 'WHERE topic = ? AND partition = ? AND "offset" = ?'

_LEADS: Final = """
    SELECT * FROM lead
    WHERE (:status IS NULL OR status = :status) AND (:id IS NULL OR (captured_at, lead_id) < (:at, :id))
    AND (:before IS NULL OR (status = 'in_flight' AND heard_at < :before))
    ORDER BY captured_at DESC, lead_id DESC LIMIT :limit
"""

_STALLED: Final = "SELECT count(*) FROM lead WHERE status = 'in_flight' AND heard_at < :before"

_LETTERS: Final = """
    SELECT * FROM letter
    WHERE (:reason IS NULL OR reason = :reason)
    AND (:state IS NULL OR state = :state
        OR (:state = 'unaudited' AND state = 'replayed' AND replay_audited_at IS NULL))
    AND (:of_topic IS NULL OR :of_topic IN (topic, source_topic))
    AND (:contract IS NULL OR record_type = :contract
        OR (record_type IS NULL AND topic = :intake_letters AND :contract = :captured))
    AND (:agent IS NULL OR source = :agent OR (stage = :dispatch AND EXISTS (
        SELECT 1 FROM decision AS d WHERE d.message_id = letter.message_id AND d.agent = :agent
    )))
    AND (:since IS NULL OR at >= :since)
    AND (:topic IS NULL OR (at, topic, partition, "offset") < (:at, :topic, :partition, :offset))
    ORDER BY at DESC, topic DESC, partition DESC, "offset" DESC LIMIT :limit
"""

# A message counts once: not again as its dead letter, and not again when it is redelivered. A record that
# bears a known id and was nevertheless dead-lettered for itself is no redelivery but another message.
_UNATTRIBUTED: Final = """
    SELECT (
        SELECT count(*) FROM message AS m
        WHERE NOT EXISTS (SELECT 1 FROM lead WHERE lead.workflow = m.workflow)
        AND (
            NOT EXISTS (
                SELECT 1 FROM message AS e
                WHERE e.id = m.id AND (e.partition, e."offset") < (m.partition, m."offset")
            )
            OR EXISTS (
                SELECT 1 FROM dead_letter AS d WHERE d.source_topic = :messages
                AND d.source_partition = m.partition AND d.source_offset = m."offset"
            )
        )
    ) + (
        SELECT count(DISTINCT d.source_topic || '/' || d.source_partition || '/' || d.source_offset)
        FROM dead_letter AS d
        WHERE d.topic = :message_letters
        AND NOT EXISTS (SELECT 1 FROM lead WHERE lead.workflow = d.workflow)
        AND NOT EXISTS (SELECT 1 FROM message AS m WHERE m.id = d.message_id)
        AND NOT EXISTS (
            SELECT 1 FROM message AS m WHERE d.source_topic = :messages
            AND d.source_partition = m.partition AND d.source_offset = m."offset"
        )
    )
"""

_REFUSED_AT_INTAKE: Final = """
    SELECT count(*) FROM (
        SELECT 1 FROM letter WHERE topic = :intake_letters
        GROUP BY source_topic, source_partition, source_offset
        HAVING max(replayed_at IS NOT NULL) = 0
    )
"""

# The first decision with an id wins, and copies of one dead letter share their source.
_MODEL_CALLS: Final = """
    SELECT (
        SELECT coalesce(sum(model_calls), 0) FROM decision AS d
        WHERE NOT EXISTS (
            SELECT 1 FROM decision AS e
            WHERE e.id = d.id AND (e.partition, e."offset") < (d.partition, d."offset")
        )
    ) + (
        SELECT coalesce(sum(calls), 0) FROM (
            SELECT max(model_calls) AS calls FROM dead_letter
            GROUP BY topic, source_topic, source_partition, source_offset
        )
    )
"""

_REJECTED_BEFORE_LLM: Final = """
    SELECT count(*) FROM (
        SELECT 1 FROM dead_letter WHERE stage IN (:intake, :gate, :guard)
        GROUP BY topic, source_topic, source_partition, source_offset
    )
"""

_AGENTS: Final = """
    SELECT r.agent_id, r.tombstone, r.at, (
        SELECT definition FROM registration AS d
        WHERE d.agent_id = r.agent_id AND d.definition IS NOT NULL
        ORDER BY d.partition DESC, d."offset" DESC LIMIT 1
    ) AS definition
    FROM registration AS r
    WHERE NOT EXISTS (
        SELECT 1 FROM registration AS n
        WHERE n.agent_id = r.agent_id AND (n.partition, n."offset") > (r.partition, r."offset")
    )
    ORDER BY r.agent_id
"""
