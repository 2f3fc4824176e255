"""A decision, written as records: a route, a lead's copy, or a dead letter with its audit event."""

from collections.abc import Sequence

from signalbox.control.models import MessageRejected, RouteDecided, RouteHeader
from signalbox.gate.control_records import ControlRecords, record_type_of
from signalbox.protocol.dead_letters import dead_letter_of
from signalbox.protocol.envelope import TEXT_LIMIT, Envelope, derived_id
from signalbox.protocol.errors import Refusal, Unwritable
from signalbox.protocol.headers import CE, ROUTE_AFRESH, ROUTE_AGENT, ROUTE_OUTCOME
from signalbox.protocol.names import (
    AGENT_MESSAGES,
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
from signalbox_decide.clock import SYSTEM, Clock
from signalbox_decide.day_budget import used_by
from signalbox_decide.decisions import (
    SOURCE,
    Decided,
    Decision,
    Duplicate,
    Outcome,
    Refused,
    RoutedMessage,
    TakenIn,
)
from signalbox_decide.history import CONTENT, TAKEN_IN_FROM
from signalbox_decide.workflow_usage import used_with


class DecisionRecords:
    """Writes decisions as governed records, and reads routes back."""

    def __init__(self, control: ControlRecords, clock: Clock = SYSTEM) -> None:
        self._control = control
        self._clock = clock

    def of(self, decision: Decision) -> list[Draft]:
        """Return the records that ``decision`` is written as; none for a duplicate."""
        match decision:
            case Duplicate():
                return []
            case TakenIn():
                return [_copy(decision)]
            case Refused():
                return self._refused(decision)
            case Decided():
                return [self._route(decision)]

    def unwritable(
        self, record: Record, stage: Stage, drafts: Sequence[Draft], why: Unwritable
    ) -> list[Draft]:
        """Make the dead letter of ``record``, whose decision ``drafts`` can't be written."""
        reason = Reason.UNROUTABLE if why.misplaced else Reason.TOO_LARGE
        refusal = Refusal(reason, f"the decision on it can't be written: {why}")
        routes = [draft for draft in drafts if draft.topic == AGENT_ROUTES]
        if not routes:
            return self._refused(Refused(record, stage, refusal))
        route = self._control.reread(RouteDecided, routes[0].value)
        took = used_by(routes[0].headers)
        return self._refused(
            Refused(original_of(route), stage, refusal, route.model_calls, took.tokens, took.cost)
        )

    async def routed(self, route: Record) -> RoutedMessage:
        """Restore the message that ``route`` carries.

        Raises:
            Refusal: it is no route of ours.
            Unavailable: the registry can't be reached.
        """
        said = await self._control.read(RouteDecided, route)
        refused_by = tuple(AgentId(agent) for agent in said.excluded)
        return RoutedMessage(original_of(said), MessageId(said.message_id), refused_by, used_with(route))

    def _route(self, decision: Decided) -> Draft:
        """Make the ``RouteDecided``, with the message's original bytes, for the message's own partition."""
        message, choice = decision.message, decision.choice
        record, envelope = message.record, message.envelope
        decided = RouteDecided(
            message_id=envelope.id,
            correlation_id=envelope.correlation_id,
            lead_id=message.lead_id,
            record_type=message.record_type,
            candidates=[agent.id for agent in decision.candidates],
            excluded=list(decision.excluded),
            agent=choice.agent,
            reason=choice.reason,
            terminal=decision.outcome is Outcome.TERMINAL,
            model=choice.model,
            model_calls=choice.calls,
            prompt_version=choice.prompt_version,
            latency_ms=choice.latency_ms,
            input_tokens=choice.input_tokens,
            output_tokens=choice.output_tokens,
            cost_nano_usd=choice.cost,
            hop=envelope.hop,
            payload=record.value or b"",
            payload_key=record.key or b"",
            payload_headers=[RouteHeader(name=name, value=value) for name, value in record.headers],
            source_topic=record.topic,
            source_partition=record.partition,
            source_offset=record.offset,
        )
        own = decision.envelope(record_type_of(RouteDecided), self._clock.now())
        said: Headers = ((ROUTE_OUTCOME, decision.outcome.value.encode()),)
        if choice.agent is not None:
            said = ((ROUTE_AGENT, choice.agent.encode()), *said)
        if decision.afresh:
            said = (*said, (ROUTE_AFRESH, b"1"))
        value = self._control.write(decided)
        return Draft(AGENT_ROUTES, record.key, value, (*own.headers(), *said), partition=record.partition)

    def _refused(self, refused: Refused) -> list[Draft]:
        record, stage, refusal, calls = refused.record, refused.stage, refused.refusal, refused.model_calls
        dead_letter = dead_letter_of(
            record, stage, refusal, model_calls=calls, tokens=refused.tokens, cost=refused.cost
        )
        message_id = _told(record.header(CE.ID))
        correlation_id = _told(record.header(CE.CORRELATIONID))
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
            dead_letter_topic=dead_letter.topic,
            model_calls=calls,
        )
        event_id = derived_id(record.topic, str(record.partition), str(record.offset), "rejected")
        envelope = Envelope(
            id=MessageId(event_id),
            source=SOURCE,
            type=record_type_of(MessageRejected),
            time=self._clock.now(),
            correlation_id=CorrelationId(correlation_id or event_id),
            causation_id=MessageId(message_id) if message_id else None,
        )
        audit = Draft(GOVERNANCE_AUDIT, _bounded(record.key), self._control.write(event), envelope.headers())
        return [dead_letter, audit]


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


def _copy(decision: TakenIn) -> Draft:
    # The copy's partition follows from its key, as it does for the agents' answers.
    record = decision.lead.record
    position = f"{record.topic}/{record.partition}/{record.offset}".encode()
    marks = ((TAKEN_IN_FROM, position), (CONTENT, decision.content.encode()))
    return Draft(AGENT_MESSAGES, record.key, record.value, (*decision.lead.envelope.headers(), *marks))


def _told(value: bytes | None) -> str | None:
    # An id that passes the gate is told whole; others may be anything, of any length.
    return None if value is None else quoted(value, TEXT_LIMIT)


def _bounded(key: bytes | None) -> bytes | None:
    return key if key is None or len(key) <= TEXT_LIMIT else quoted(key, TEXT_LIMIT).encode()
