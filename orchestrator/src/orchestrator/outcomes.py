"""The records that decisions write: routes, dead letters, and the audit events beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from orchestrator.router import PROMPT_VERSION, Choice
from signalbox.control.models import MessageRejected, RouteDecided, RouteHeader
from signalbox.gate import Accepted
from signalbox.gate.control_records import ControlRecords, record_type_of
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.dead_letters import dead_letter
from signalbox.protocol.envelope import TEXT_LIMIT, Envelope, derived_id, route_id
from signalbox.protocol.errors import Refusal, Unwritable
from signalbox.protocol.names import (
    AGENT_ROUTES,
    GOVERNANCE_AUDIT,
    AgentId,
    CorrelationId,
    Headers,
    MessageId,
)
from signalbox.protocol.printable import quoted
from signalbox.protocol.reasons import Reason, Stage
from signalbox.protocol.records import Draft, Record

SOURCE: Final = "orchestrator"
ROUTE_AGENT: Final = "route_agent"
"""The header of a route that names the agent that is to take the message; none when the workflow ends."""
AFRESH: Final = "route_afresh"
"""The header of a route with which its workflow's counts began from zero, as a person replayed it."""


class Outcome(StrEnum):
    """What a decision means: the header ``route_outcome``."""

    ROUTED = "routed"
    REROUTED = "rerouted"
    ENDED = "ended"
    TERMINAL = "terminal"


@dataclass(frozen=True, slots=True)
class Route:
    """A decision on a message, to be written."""

    outcome: Outcome
    choice: Choice
    candidates: Sequence[AgentDefinition] = ()
    refused_by: tuple[AgentId, ...] = ()
    afresh: bool = False


def without_model(reason: str) -> Choice:
    """Make a decision that needed no model."""
    return Choice(None, reason, model="", calls=0, input_tokens=0, output_tokens=0, latency_ms=0)


class Routes:
    """Writes decisions as governed events that carry the message's original bytes."""

    def __init__(self, control: ControlRecords) -> None:
        self._control = control

    def of(self, message: Accepted, route: Route) -> Draft:
        """Make the ``RouteDecided`` of ``message``, for the message's own partition.

        Its own headers say what the workflow has used up with this decision: hops, visits and tokens.
        """
        record, envelope, choice = message.record, message.envelope, route.choice
        decided = RouteDecided(
            message_id=envelope.id,
            correlation_id=envelope.correlation_id,
            lead_id=message.lead_id,
            record_type=message.record_type,
            candidates=[agent.id for agent in route.candidates],
            excluded=list(route.refused_by),
            agent=choice.agent,
            reason=choice.reason,
            terminal=route.outcome is Outcome.TERMINAL,
            model=choice.model,
            model_calls=choice.calls,
            prompt_version=PROMPT_VERSION,
            latency_ms=choice.latency_ms,
            input_tokens=choice.input_tokens,
            output_tokens=choice.output_tokens,
            hop=envelope.hop,
            payload=record.value or b"",
            payload_key=record.key or b"",
            payload_headers=[RouteHeader(name=name, value=value) for name, value in record.headers],
            source_topic=record.topic,
            source_partition=record.partition,
            source_offset=record.offset,
        )
        own = Envelope(
            id=route_id(envelope.id, *route.refused_by),
            source=SOURCE,
            type=record_type_of(RouteDecided),
            time=datetime.now(UTC),
            correlation_id=envelope.correlation_id,
            hop=envelope.hop,
            causation_id=envelope.id,
            traceparent=envelope.traceparent,
            workflow_time=envelope.workflow_time,
            tokens=envelope.tokens + choice.input_tokens + choice.output_tokens,
            visits=_visited(envelope.visits, choice.agent),
        )
        said: Headers = (("route_outcome", route.outcome.value.encode()),)
        if choice.agent is not None:
            said = ((ROUTE_AGENT, choice.agent.encode()), *said)
        if route.afresh:
            said = (*said, (AFRESH, b"1"))
        return Draft(
            AGENT_ROUTES,
            record.key,
            self._control.write(decided),
            (*own.headers(), *said),
            partition=record.partition,
        )


class Rejections:
    """Writes dead letters, each with its audit event."""

    def __init__(self, control: ControlRecords) -> None:
        self._control = control

    def refused(self, record: Record, stage: Stage, refusal: Refusal, *, model_calls: int = 0) -> list[Draft]:
        """Make the dead letter of ``record`` for ``refusal``, and the audit event."""
        letter = dead_letter(record, stage, refusal, model_calls=model_calls)
        message_id = _told(record.header("ce_id"))
        correlation_id = _told(record.header("ce_correlationid"))
        event = MessageRejected(
            message_id=message_id,
            lead_id=_told(record.key),
            correlation_id=correlation_id,
            reason=refusal.reason.value,
            stage=stage.value,
            detail=refusal.detail,
            field=refusal.field,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            dead_letter_topic=letter.topic,
            model_calls=model_calls,
        )
        event_id = derived_id(record.topic, str(record.partition), str(record.offset), "rejected")
        envelope = Envelope(
            id=MessageId(event_id),
            source=SOURCE,
            type=record_type_of(MessageRejected),
            time=datetime.now(UTC),
            correlation_id=CorrelationId(correlation_id or event_id),
            causation_id=MessageId(message_id) if message_id else None,
        )
        audit = Draft(GOVERNANCE_AUDIT, _bounded(record.key), self._control.write(event), envelope.headers())
        return [letter, audit]

    def unwritable(
        self, record: Record, stage: Stage, drafts: Sequence[Draft], why: Unwritable
    ) -> list[Draft]:
        """Make the dead letter of ``record``, whose decision ``drafts`` can't be written."""
        reason = Reason.UNROUTABLE if why.misplaced else Reason.TOO_LARGE
        refusal = Refusal(reason, f"the decision on it can't be written: {why}")
        routes = [draft for draft in drafts if draft.topic == AGENT_ROUTES]
        if not routes:
            return self.refused(record, stage, refusal)
        route = self._control.reread(RouteDecided, routes[0].value)
        return self.refused(original_of(route), stage, refusal, model_calls=route.model_calls)


def original_of(route: RouteDecided) -> Record:
    """Restore the message that a decision carries."""
    return Record(
        topic=route.source_topic,
        partition=route.source_partition,
        offset=route.source_offset,
        key=route.payload_key,
        value=route.payload,
        headers=tuple((header.name, header.value) for header in route.payload_headers),
    )


def _visited(visits: Mapping[AgentId, int], agent: AgentId | None) -> Mapping[AgentId, int]:
    return visits if agent is None else {**visits, agent: visits.get(agent, 0) + 1}


def _told(value: bytes | None) -> str | None:
    # An id that passes the gate is told whole; others may be anything, of any length.
    return None if value is None else quoted(value, TEXT_LIMIT)


def _bounded(key: bytes | None) -> bytes | None:
    return key if key is None or len(key) <= TEXT_LIMIT else quoted(key, TEXT_LIMIT).encode()
