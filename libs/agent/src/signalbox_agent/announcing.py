"""What an agent says of itself on ``agent_registry``, signed."""

import time
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from signalbox.control.models import AgentRegistered
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.envelope import Envelope
from signalbox.protocol.names import AGENT_REGISTRY, CorrelationId, MessageId
from signalbox.protocol.records import Draft
from signalbox.telemetry import logger
from signalbox.trust import SKEW_MS, sealed
from signalbox_agent.contracts import OwnContracts
from signalbox_agent.parts import Parts

_log = logger(__name__)


def announcement_of(definition: AgentDefinition, contracts: OwnContracts, parts: Parts) -> Draft:
    """Make the announcement of an agent that starts now."""
    time_ms = _next_time(parts.settings.data_dir / definition.id / "announced_at")
    now = datetime.fromtimestamp(time_ms / 1000, UTC)
    registered = AgentRegistered.model_validate(
        {
            "agent_id": definition.id,
            "name": definition.name,
            "description": definition.description,
            "input": [entry.model_dump() for entry in definition.input],
            "output": [entry.model_dump() for entry in definition.output],
            "endpoint": definition.endpoint,
            "contracts": contracts.versions(),
            "registered_at": now,
        }
    )
    envelope = Envelope(
        id=MessageId(str(uuid4())),
        source=definition.id,
        type=contracts.announcement.record_type,
        time=now,
        correlation_id=CorrelationId(definition.id),
    )
    value = contracts.announcement.encode(registered)
    signature = sealed(parts.key, definition.id, value, time_ms)
    return Draft(AGENT_REGISTRY, definition.id.encode(), value, envelope.headers() + signature)


def _next_time(kept: Path) -> int:
    """Return the time, or a moment after the last announcement's where the clock was set back since.

    An announcement that is older than the one in force does not count.
    """
    now = time.time_ns() // 1_000_000
    try:
        last = int(kept.read_text()) if kept.exists() else 0
    except (OSError, ValueError):
        last = 0
    # Not after one from a clock that was far ahead: it would not count either.
    chosen = last + 1 if now <= last < now + SKEW_MS else now
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(str(chosen))
    except OSError as error:
        _log.warning("announcement_time_not_kept", detail=str(error))
    return chosen
