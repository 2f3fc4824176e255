"""What the projection holds, as answers show it: without bytes, and lists without personal data."""

import base64
import json
import sqlite3
from typing import Any

from console.answers import (
    DeadLetterSummary,
    Header,
    LeadSummary,
    TimelineEntry,
    time_of,
)
from console.journey import Journey, Status, TrackedDeadLetter
from signalbox.protocol.names import Headers


def dead_letter_summary(dead_letter: TrackedDeadLetter) -> DeadLetterSummary:
    """Describe a dead letter without its bytes."""
    fact = dead_letter.fact
    return DeadLetterSummary(
        topic=fact.topic,
        partition=fact.partition,
        offset=fact.offset,
        at=time_of(fact.at),
        state=dead_letter.state,
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
        **_closed(dead_letter),
        source_topic=fact.source_topic,
        source_partition=fact.source_partition,
        source_offset=fact.source_offset,
        size=len(fact.value or b""),
        headers=_headers(fact.headers),
    )


def _closed(dead_letter: TrackedDeadLetter) -> dict[str, Any]:
    replayed = dead_letter.state == "replayed"
    at = dead_letter.replayed_at if replayed else dead_letter.discarded_at
    return {
        "closed_at": None if at is None else time_of(at),
        "closed_by": dead_letter.replayed_by if replayed else dead_letter.discarded_by,
        "closed_why": dead_letter.replayed_why if replayed else dead_letter.discarded_why,
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


def timeline_of(journey: Journey) -> list[TimelineEntry]:
    """Return the timeline as it is shown."""
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


def lead_summary(row: sqlite3.Row, **standing: Any) -> LeadSummary:
    """Describe a lead without personal data."""
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
