"""Decisions as a test reads them."""

from dataclasses import dataclass

from signalbox.control.models import RouteDecided
from signalbox.gate.control_records import ControlRecords
from signalbox.protocol.envelope import Envelope
from signalbox.protocol.headers import ROUTE_OUTCOME
from signalbox.protocol.names import AgentId, MessageId, RecordType
from signalbox.protocol.records import Record
from signalbox_decide.decisions import Outcome


@dataclass(frozen=True, slots=True)
class Route:
    """A decision on a message: ``agent`` takes it next, None where its workflow ends. ``reason`` says why.

    ``envelope`` says what its workflow has used up with it.
    """

    message_id: MessageId
    record_type: RecordType
    agent: AgentId | None
    outcome: Outcome
    candidates: tuple[AgentId, ...]
    excluded: tuple[AgentId, ...]
    reason: str
    envelope: Envelope


def route_of(record: Record, control: ControlRecords) -> Route:
    """Read a record of ``agent_routes``."""
    said = control.reread(RouteDecided, record.value)
    return Route(
        message_id=MessageId(said.message_id),
        record_type=RecordType(said.record_type),
        agent=None if said.agent is None else AgentId(said.agent),
        outcome=Outcome((record.header(ROUTE_OUTCOME) or b"").decode()),
        candidates=tuple(map(AgentId, said.candidates)),
        excluded=tuple(map(AgentId, said.excluded)),
        reason=said.reason,
        envelope=Envelope.parse(record.headers),
    )
