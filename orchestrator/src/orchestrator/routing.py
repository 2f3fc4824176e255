"""Routing: each message of ``agent_messages`` gets one decision, and the model sees none that is not good."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from prometheus_client import Counter

from orchestrator.history import DecisionHistory
from orchestrator.outcomes import Rejections, Routes
from orchestrator.router import Unroutable
from orchestrator.seen_ids import Identity
from orchestrator.selection import Selection
from orchestrator.workflow_usage import ReadLetter, WorkflowUsages, names_its_letter
from signalbox.gate import Accepted, Gate, Rejected, personal_values
from signalbox.process.retry import retry_while_unavailable
from signalbox.protocol.errors import Refusal
from signalbox.protocol.reasons import Reason, Stage
from signalbox.protocol.records import Draft, Record, written
from signalbox.protocol.replay_marks import REPLAY_OF
from signalbox.telemetry import Readiness, hide_from_logs, logger

_log = logger(__name__)
_DUPLICATES = Counter("signalbox_message_duplicates", "Redelivered messages that already have a decision")
_DECISIONS = Counter("signalbox_decisions", "Decisions on messages", ["outcome"])


class Routing:
    """Decides on records of ``agent_messages``: gate, first decision, guards, candidates, model."""

    def __init__(
        self,
        gate: Gate,
        history: DecisionHistory,
        workflows: WorkflowUsages,
        selection: Selection,
        routes: Routes,
        rejections: Rejections,
        readiness: Readiness,
        read_letter: ReadLetter,
    ) -> None:
        self._gate = gate
        self._history = history
        self._workflows = workflows
        self._selection = selection
        self._routes = routes
        self._rejections = rejections
        self._readiness = readiness
        self._read_letter = read_letter

    async def decide(self, record: Record) -> Sequence[Draft]:
        """Return the route of a message that passes, the dead letter of one that does not."""
        match await retry_while_unavailable(lambda: self._gate.check(record), self._readiness):
            case Rejected() as rejected:
                return self._dead_lettered(record, Stage.GATE, rejected.refusal)
            case Accepted() as message:
                hide_from_logs(personal_values(message.contract, message.datum))
                identity = Identity(message.envelope.correlation_id, message.envelope.id)
                if not self._history.first(record.partition, identity, record):
                    _DUPLICATES.inc()
                    return []
                return await self._decided(message)

    async def _decided(self, message: Accepted) -> list[Draft]:
        counted = self._workflows.counted(message)
        afresh = counted is not message and await self._is_replay(message)
        message = message if afresh else counted
        try:
            route = replace(await self._selection.route(message), afresh=afresh)
        except Unroutable as refusal:
            return self._dead_lettered(message.record, Stage.ROUTER, refusal, model_calls=refusal.calls)
        except Refusal as refusal:
            stage = Stage.ROUTER if refusal.reason is Reason.NO_CANDIDATE else Stage.GUARD
            return self._dead_lettered(message.record, stage, refusal)
        _DECISIONS.labels(route.outcome.value).inc()
        draft = self._routes.of(message, route)
        self._workflows.decided(written(draft))
        return [draft]

    async def _is_replay(self, message: Accepted) -> bool:
        if message.record.header(REPLAY_OF) is None:
            return False

        async def asked() -> bool:
            return await asyncio.to_thread(names_its_letter, message, self._read_letter)

        return await retry_while_unavailable(asked, self._readiness)

    def _dead_lettered(
        self, record: Record, stage: Stage, refusal: Refusal, *, model_calls: int = 0
    ) -> list[Draft]:
        _DECISIONS.labels(refusal.reason.value).inc()
        _log.info(
            "dead-lettered",
            reason=refusal.reason.value,
            field=refusal.field,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
        )
        return self._rejections.refused(record, stage, refusal, model_calls=model_calls)
