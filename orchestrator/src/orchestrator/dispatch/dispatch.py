"""Dispatch: a decided message goes to its agent, and stays ours until the agent says that it is durable."""

import asyncio
from collections.abc import Callable, Sequence

from prometheus_client import Counter

from orchestrator.dispatch.agent_client import Done, Failed
from orchestrator.dispatch.agent_client import Refused as AgentRefused
from orchestrator.dispatch.delivery import AgentDelivery, Poisoned, Settled
from signalbox.process.retry import retry_while_unavailable
from signalbox.protocol.errors import Refusal
from signalbox.protocol.headers import ROUTE_AGENT
from signalbox.protocol.names import AgentId
from signalbox.protocol.reasons import Reason, Stage
from signalbox.protocol.records import Draft, Record
from signalbox.telemetry import Readiness, logger
from signalbox_decide.decider import Decider
from signalbox_decide.decisions import Refused, Routed, RoutedMessage
from signalbox_decide.directory import Directory
from signalbox_decide.records import DecisionRecords

_log = logger(__name__)
_DISPATCHED = Counter("signalbox_dispatched", "Messages that an agent settled", ["agent", "outcome"])


class _Removed(Exception):
    """The agent left the directory between two attempts."""


class Dispatch:
    """Settles one agent's routes; everybody else's are skipped by a header, without decoding.

    ``require_budget`` raises :class:`Paused` while nothing is left for models; each attempt asks it.
    """

    def __init__(
        self,
        agent: AgentId,
        delivery: AgentDelivery,
        directory: Directory,
        decider: Decider,
        records: DecisionRecords,
        readiness: Readiness,
        require_budget: Callable[[], None] = lambda: None,
    ) -> None:
        self._agent = agent
        self._mine = agent.encode()
        self._delivery = delivery
        self._directory = directory
        self._decider = decider
        self._records = records
        self._readiness = readiness
        self._require_budget = require_budget

    def forget(self) -> None:
        """Say nothing of this agent's messages any more."""
        _DISPATCHED.remove_by_labels({"agent": self._agent})

    async def decide(self, record: Record) -> Sequence[Draft]:
        """Hand a route to its agent; write nothing when done, else a second route or a dead letter."""
        if record.header(ROUTE_AGENT) != self._mine:
            return []
        try:
            message = await self._records.routed(record)
        except Refusal as refusal:
            _log.error(
                "a route can't be read", offset=record.offset, partition=record.partition, why=str(refusal)
            )
            return self._records.of(Refused(record, Stage.DISPATCH, refusal))
        decision = await self._settled(message)
        return [] if decision is None else self._records.of(decision)

    async def _settled(self, message: RoutedMessage) -> Routed | Refused | None:
        outcome = await self._delivered(message)
        _DISPATCHED.labels(self._agent, type(outcome).__name__.lower()).inc()
        match outcome:
            case Done():
                if (agent := self._directory.agents.get(self._agent)) is not None:
                    self._directory.reached(self._agent, agent.definition.endpoint)
                return None
            case AgentRefused(detail):
                return await self._refused(message, detail)
            case Failed(detail):
                return self._given_up(message, Refusal(Reason.AGENT_FAILED, f"{self._agent}: {detail}"))
            case Poisoned(detail):
                return self._given_up(message, Refusal(Reason.POISON, f"{self._agent}: {detail}"))
            case None:
                self._delivery.agent_left()
                detail = f"{self._agent} was removed from the directory before it took the message"
                return self._given_up(message, Refusal(Reason.AGENT_REMOVED, detail))

    async def _delivered(self, message: RoutedMessage) -> Settled | None:
        # The directory is asked before each attempt: an agent may move, and may be removed meanwhile.
        delivery = asyncio.create_task(self._delivery.deliver(message.original, self._endpoint))
        try:
            while not delivery.done():
                if self._agent not in self._directory.agents:
                    return None
                changed = asyncio.create_task(self._directory.change(None))
                if await self._is_for_another(message):
                    changed.cancel()
                    return AgentRefused("it was never reached, and another agent takes this")
                await asyncio.wait({delivery, changed}, return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
            return delivery.result()
        except _Removed:
            return None
        finally:
            delivery.cancel()

    async def _is_for_another(self, message: RoutedMessage) -> bool:
        # It came here since no one else took it then; it must not wait for one that may not exist.
        if self._directory.was_reached(self._agent) or message.refused_by:
            return False
        return await retry_while_unavailable(
            lambda: self._decider.is_for_another(message.original, self._agent), self._readiness
        )

    def _endpoint(self) -> str:
        agent = self._directory.agents.get(self._agent)
        if agent is None:
            raise _Removed
        self._require_budget()
        return agent.definition.endpoint

    async def _refused(self, message: RoutedMessage, detail: str) -> Routed | Refused:
        # Waited out here, and not by the stage as everywhere else: it must not be posted to the agent again.
        decision = await retry_while_unavailable(
            lambda: self._decider.decide_again(message, self._agent, detail),
            self._readiness,
        )
        if isinstance(decision, Refused):
            self._log_given_up(message, decision.refusal)
        return decision

    def _given_up(self, message: RoutedMessage, refusal: Refusal) -> Refused:
        self._log_given_up(message, refusal)
        return Refused(message.original, Stage.DISPATCH, refusal)

    def _log_given_up(self, message: RoutedMessage, refusal: Refusal) -> None:
        _log.warning(
            "given up", agent=self._agent, message_id=message.message_id, reason=refusal.reason.value
        )
