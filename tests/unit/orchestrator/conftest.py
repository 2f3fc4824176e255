"""Accepted messages for tests of the plain functions, and routing as a whole: no broker, no registry."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from joined_orchestrator import joined, routing, settings  # noqa: F401
from signalbox.gate import Accepted
from signalbox.protocol.envelope import Envelope
from signalbox.protocol.names import CorrelationId, LeadId, MessageId, RecordType
from signalbox.protocol.records import Record

MessageMaker = Callable[..., Accepted]


@pytest.fixture
def accepted() -> MessageMaker:
    """Make an accepted message; its contract is not looked at by what is tested here."""

    def make(
        record_type: str = "sdr.LeadScored", datum: dict[str, Any] | None = None, **envelope: Any
    ) -> Accepted:
        attributes = Envelope(
            id=MessageId("m-1"),
            source="test",
            type=RecordType(record_type),
            time=datetime.now(UTC),
            correlation_id=CorrelationId("c-1"),
            **envelope,
        )
        record = Record("agent_messages", 0, 0, b"lead-1", b"\0\0\0\0\1x", attributes.headers())
        return Accepted(
            record=record,
            envelope=attributes,
            lead_id=LeadId("lead-1"),
            record_type=RecordType(record_type),
            datum=datum or {},
            contract=None,  # type: ignore[arg-type]
        )

    return make
