"""Dead letters on paper, as intake and orchestrator write them."""

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from memory_registry import register_committed
from signalbox.gate.control_records import ControlRecords
from signalbox.protocol.dead_letters import DeadLetter, dead_letter_of
from signalbox.protocol.envelope import Envelope, correlation_id_of
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import Headers, LeadId, MessageId, RecordType
from signalbox.protocol.reasons import Reason, Stage
from signalbox.protocol.records import Record
from signalbox_agent.testing import MemoryRegistry

ROOT = Path(__file__).resolve().parents[3]
sys.path.append(str(ROOT / "tests" / "fuzz"))

ENVELOPE = Envelope(
    id=MessageId("m-1"),
    source="lead_scoring",
    type=RecordType("sdr.LeadScored"),
    time=datetime(2026, 3, 2, 9, tzinfo=UTC),
    correlation_id=correlation_id_of(LeadId("lead-1")),
    hop=4,
    workflow_time=datetime(2026, 3, 2, 8, tzinfo=UTC),
    tokens=700,
    visits={"lead_ingestion": 1},  # type: ignore[dict-item]
)


@pytest.fixture
def envelope() -> Envelope:
    return ENVELOPE


@pytest.fixture
def dead_letter() -> Callable[..., DeadLetter]:
    def make(
        reason: Reason = Reason.RULE_VIOLATED,
        *,
        topic: str = "agent_messages",
        headers: Headers | None = None,
        key: bytes | None = b"lead-1",
        value: bytes | None = b"bytes",
        offset: int = 17,
    ) -> DeadLetter:
        given = (*ENVELOPE.headers(), ("mark", b"x")) if headers is None else headers
        original = Record(topic, 3, 40, key, value, given)
        draft = dead_letter_of(original, Stage.GATE, Refusal(reason, "it was bad"))
        record = Record(draft.topic, 3, offset, draft.key, draft.value, draft.headers, 1_800_000_000_000)
        return replace(DeadLetter.of(record))

    return make


@pytest.fixture
async def control() -> ControlRecords:
    registry = MemoryRegistry()
    register_committed(registry)
    records = ControlRecords(registry)
    await records.load()
    return records
