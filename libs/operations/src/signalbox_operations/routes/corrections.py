"""What people said about decisions: who should have been chosen. Each is an event on ``governance_audit``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from signalbox.control.models import RouteCorrected, RouteDecided
from signalbox.gate.control_records import ControlRecords, record_type_of
from signalbox.protocol.envelope import Envelope, derived_id, route_id
from signalbox.protocol.errors import Refusal, SignalboxError
from signalbox.protocol.headers import CE
from signalbox.protocol.names import GOVERNANCE_AUDIT, NO_AGENT, AgentId, CorrelationId, MessageId
from signalbox.protocol.records import Draft, Record

SOURCE: Final = "routes"
_CORRECTED: Final = record_type_of(RouteCorrected).encode()


class NotCorrectable(SignalboxError):
    """A decision can't be corrected as asked: there is none, or no such candidate, or nothing to correct."""


@dataclass(frozen=True, slots=True)
class Correction:
    """A correction, and the CloudEvents id of its event. ``is_new`` is False when it was there before."""

    said: RouteCorrected
    event_id: MessageId
    is_new: bool = False


Corrections = Mapping[MessageId, Correction]
"""The last correction of each message."""


async def corrections_in(records: Iterable[Record], control: ControlRecords) -> Corrections:
    """Find the corrections in ``records``, those of the audit; one that can't be read corrects nothing.

    Raises:
        Unavailable: the registry can't be reached.
    """
    found: dict[MessageId, Correction] = {}
    for record in records:
        if record.header(CE.TYPE) != _CORRECTED:
            continue
        try:
            said = await control.read(RouteCorrected, record)
        except Refusal:
            continue
        event_id = MessageId((record.header(CE.ID) or b"").decode(errors="replace"))
        found[MessageId(said.message_id)] = Correction(said, event_id)
    return found


def correction_of(
    decided: RouteDecided, agent: AgentId | None, who: str, why: str, former: Correction | None
) -> Correction:
    """Make the correction of ``decided``; ``former``, when it says the same already.

    Raises:
        NotCorrectable: ``agent`` was no candidate, or it is what was decided.
    """
    if not decided.candidates:
        raise NotCorrectable("there was no candidate, and so nothing to choose")
    if not is_answer(decided, agent):
        could = ", ".join([*decided.candidates, NO_AGENT])
        raise NotCorrectable(f"{agent} was no candidate; there were: {could}")
    if former is not None and former.said.agent == agent:
        return former
    if former is None and decided.agent == agent:
        raise NotCorrectable(f"{agent or NO_AGENT} is what was decided: there is nothing to correct")
    said = RouteCorrected(
        message_id=decided.message_id,
        correlation_id=decided.correlation_id,
        lead_id=decided.lead_id,
        record_type=decided.record_type,
        route_id=route_id(MessageId(decided.message_id), *map(AgentId, decided.excluded)),
        candidates=decided.candidates,
        decided=decided.agent,
        agent=agent,
        who=who,
        reason=why,
    )
    # The former's id is part of it: one may come back to what one said at first.
    after = "" if former is None else former.event_id
    return Correction(said, MessageId(derived_id(said.route_id, after, agent or NO_AGENT, "corrected")), True)


def is_answer(decided: RouteDecided, agent: str | None) -> bool:
    """True when ``agent``, or none, could have been chosen."""
    return bool(decided.candidates) and (agent is None or agent in decided.candidates)


def event_of(correction: Correction, control: ControlRecords) -> Draft:
    """Make the record of ``correction``, with the lead's id as its key."""
    said = correction.said
    envelope = Envelope(
        id=correction.event_id,
        source=SOURCE,
        type=record_type_of(RouteCorrected),
        time=datetime.now(UTC),
        correlation_id=CorrelationId(said.correlation_id),
        causation_id=MessageId(said.message_id),
    )
    return Draft(GOVERNANCE_AUDIT, said.lead_id.encode(), control.write(said), envelope.headers())
