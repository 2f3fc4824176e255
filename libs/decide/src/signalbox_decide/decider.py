"""The decider: each message gets one decision, and the model sees none that is not good."""

import asyncio
from dataclasses import replace

from prometheus_client import Counter

from signalbox.gate import Accepted, Gate, Rejected, personal_values
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import AgentId
from signalbox.protocol.reasons import Reason, Stage
from signalbox.protocol.records import Record
from signalbox.protocol.replay_marks import REPLAY_OF
from signalbox.telemetry import hide_from_logs, logger
from signalbox_decide.day_budget import Used, used_by
from signalbox_decide.decisions import Duplicate, Ended, Refused, Routed, RoutedMessage, Terminal
from signalbox_decide.history import DecisionHistory
from signalbox_decide.router import Unroutable
from signalbox_decide.seen_ids import Identity
from signalbox_decide.selection import Selection
from signalbox_decide.workflow_usage import (
    ReadDeadLetter,
    WorkflowUsages,
    at_least,
    names_its_dead_letter,
)

_log = logger(__name__)
_DUPLICATES = Counter("signalbox_message_duplicates", "Redelivered messages that already have a decision")
_DECISIONS = Counter("signalbox_decisions", "Decisions on messages", ["outcome"])


class Decider:
    """Decides on records of ``agent_messages``: gate, first decision, guards, candidates, model.

    Whoever asks waits out what is :class:`Unavailable`, and asks again: nothing is remembered of a decision
    that was not made.
    """

    def __init__(
        self,
        gate: Gate,
        history: DecisionHistory,
        workflows: WorkflowUsages,
        selection: Selection,
        read_dead_letter: ReadDeadLetter,
    ) -> None:
        self._gate = gate
        self._history = history
        self._workflows = workflows
        self._selection = selection
        self._read_dead_letter = read_dead_letter

    async def decide(self, record: Record) -> Routed | Ended | Terminal | Refused | Duplicate:
        """Decide on a message.

        Raises:
            Unavailable: registry, broker or model can't be reached.
        """
        match await self._gate.check(record):
            case Rejected(refusal=refusal):
                return _refused(record, Stage.GATE, refusal)
            case Accepted() as message:
                hide_from_logs(personal_values(message.contract, message.datum))
                identity = Identity(message.envelope.correlation_id, message.envelope.id)
                if not self._history.first(record.partition, identity, record):
                    _DUPLICATES.inc()
                    return Duplicate(record)
                return await self._decided(message)

    async def decide_again(self, message: RoutedMessage, refused_by: AgentId, why: str) -> Routed | Refused:
        """Decide once more on a message that ``refused_by`` said no to, among the others; it is done once.

        What ends here ends as ``AGENT_REFUSED``, or as a guard or the model says.

        Raises:
            Unavailable: registry or model can't be reached.
        """
        record = message.original
        if message.refused_by:
            detail = f"{refused_by} refused it, after {', '.join(message.refused_by)} had: {why}"
            return Refused(record, Stage.DISPATCH, Refusal(Reason.AGENT_REFUSED, detail))
        match await self._gate.check(record):
            case Rejected(refusal=refusal):  # the contract became stricter since it was routed
                return Refused(record, Stage.DISPATCH, refusal)
            case Accepted() as accepted:
                if message.used is not None:
                    accepted = replace(accepted, envelope=at_least(accepted.envelope, message.used))
                try:
                    return await self._selection.reroute(accepted, refused_by, why)
                except Refusal as refusal:
                    return Refused(record, Stage.DISPATCH, refusal, *_took(refusal))

    async def is_for_another(self, record: Record, agent: AgentId) -> bool:
        """Say whether somebody who was reached takes ``record``, beside ``agent``.

        Raises:
            Unavailable: the registry can't be reached.
        """
        checked = await self._gate.check(record)
        return isinstance(checked, Accepted) and self._selection.others(checked, agent)

    async def _decided(self, message: Accepted) -> Routed | Ended | Terminal | Refused:
        counted = self._workflows.counted(message)
        afresh = counted is not message and await self._is_replay(message)
        try:
            decision = await self._selection.route(message if afresh else counted)
        except Refusal as refusal:
            return _refused(message.record, _stage_of(refusal), refusal)
        decision = replace(decision, afresh=afresh)
        _DECISIONS.labels(decision.outcome.value).inc()
        self._workflows.decided(decision)
        return decision

    async def _is_replay(self, message: Accepted) -> bool:
        if message.record.header(REPLAY_OF) is None:
            return False
        return await asyncio.to_thread(names_its_dead_letter, message, self._read_dead_letter)


def _stage_of(refusal: Refusal) -> Stage:
    by_router = isinstance(refusal, Unroutable) or refusal.reason is Reason.NO_CANDIDATE
    return Stage.ROUTER if by_router else Stage.GUARD


def _took(refusal: Refusal) -> tuple[int, int, int]:
    """Return the calls, tokens and cost of a decision that came to nothing."""
    return (refusal.calls, refusal.tokens, refusal.cost) if isinstance(refusal, Unroutable) else (0, 0, 0)


def _refused(record: Record, stage: Stage, refusal: Refusal) -> Refused:
    _DECISIONS.labels(refusal.reason.value).inc()
    _log.info(
        "dead-lettered",
        reason=refusal.reason.value,
        field=refusal.field,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
    )
    calls, tokens, cost = _took(refusal)
    # What the gate rejected may be anybody's, and its claims with it.
    before = Used() if stage is Stage.GATE else used_by(record.headers)
    return Refused(record, stage, refusal, calls, before.tokens + tokens, before.cost + cost)
