"""Dispatch: a decided message goes to its agent, and stays ours until the agent says that it is durable."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from prometheus_client import Counter

from orchestrator.directory import Directory
from orchestrator.dispatch.agent_client import Done, Failed, Refused
from orchestrator.dispatch.delivery import AgentDelivery, Poisoned, Settled
from orchestrator.outcomes import ROUTE_AGENT, Rejections, Routes, original_of
from orchestrator.router import Unroutable
from orchestrator.selection import Selection
from orchestrator.workflow_usage import WorkflowUsage, at_least, used_with
from signalbox.control.models import RouteDecided
from signalbox.gate import Accepted, Gate, Rejected
from signalbox.gate.control_records import ControlRecords
from signalbox.process.retry import retry_while_unavailable
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import AgentId, MessageId
from signalbox.protocol.reasons import Reason, Stage
from signalbox.protocol.records import Draft, Record
from signalbox.telemetry import Readiness, logger

_log = logger(__name__)
_DISPATCHED = Counter("signalbox_dispatched", "Messages that an agent settled", ["agent", "outcome"])


@dataclass(frozen=True, slots=True)
class RoutedMessage:
    """A message as its route carries it: the original record, and who refused it before."""

    original: Record
    message_id: MessageId
    refused_by: tuple[AgentId, ...]
    used: WorkflowUsage | None = None
    """What its workflow had used up when it was routed."""

    @classmethod
    def of(cls, route: RouteDecided, used: WorkflowUsage) -> "RoutedMessage":
        """Restore the original record from the decision."""
        refused_by = tuple(AgentId(agent) for agent in route.excluded)
        return cls(original_of(route), MessageId(route.message_id), refused_by, used)


class _Removed(Exception):
    """The agent left the directory between two attempts."""


class Dispatch:
    """Settles one agent's routes; everybody else's are skipped by a header, without decoding."""

    def __init__(
        self,
        agent: AgentId,
        delivery: AgentDelivery,
        directory: Directory,
        gate: Gate,
        selection: Selection,
        control: ControlRecords,
        routes: Routes,
        rejections: Rejections,
        readiness: Readiness,
    ) -> None:
        self._agent = agent
        self._mine = agent.encode()
        self._delivery = delivery
        self._directory = directory
        self._gate = gate
        self._selection = selection
        self._control = control
        self._routes = routes
        self._rejections = rejections
        self._readiness = readiness

    def forget(self) -> None:
        """Say nothing of this agent's messages any more."""
        _DISPATCHED.remove_by_labels({"agent": self._agent})

    async def decide(self, record: Record) -> Sequence[Draft]:
        """Hand a route to its agent; write nothing when done, else a second route or a dead letter."""
        if record.header(ROUTE_AGENT) != self._mine:
            return []
        try:
            route = await retry_while_unavailable(
                lambda: self._control.read(RouteDecided, record), self._readiness
            )
            used = used_with(record)
        except Refusal as refusal:
            _log.error(
                "a route can't be read", offset=record.offset, partition=record.partition, why=str(refusal)
            )
            return self._rejections.refused(record, Stage.DISPATCH, refusal)
        return await self._settled(RoutedMessage.of(route, used))

    async def _settled(self, message: RoutedMessage) -> list[Draft]:
        outcome = await self._delivered(message)
        _DISPATCHED.labels(self._agent, type(outcome).__name__.lower()).inc()
        match outcome:
            case Done():
                if (agent := self._directory.agents.get(self._agent)) is not None:
                    self._directory.reached(self._agent, agent.definition.endpoint)
                return []
            case Refused(detail):
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
                    return Refused("it was never reached, and another agent takes this")
                await asyncio.wait({delivery, changed}, return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
            return delivery.result()
        except _Removed:
            return None
        finally:
            delivery.cancel()

    async def _is_for_another(self, message: RoutedMessage) -> bool:
        # It came here since nobody else took it then; it must not wait for one that may not exist.
        if self._directory.was_reached(self._agent) or message.refused_by:
            return False
        checked = await retry_while_unavailable(lambda: self._gate.check(message.original), self._readiness)
        return isinstance(checked, Accepted) and self._selection.others(checked, self._agent)

    def _endpoint(self) -> str:
        agent = self._directory.agents.get(self._agent)
        if agent is None:
            raise _Removed
        return agent.definition.endpoint

    async def _refused(self, message: RoutedMessage, detail: str) -> list[Draft]:
        if message.refused_by:
            earlier = ", ".join(message.refused_by)
            why = f"{self._agent} refused it, after {earlier} had: {detail}"
            return self._given_up(message, Refusal(Reason.AGENT_REFUSED, why))
        checked = await retry_while_unavailable(lambda: self._gate.check(message.original), self._readiness)
        if isinstance(checked, Rejected):  # the contract became stricter since it was routed
            return self._given_up(message, checked.refusal)
        if message.used is not None:
            checked = replace(checked, envelope=at_least(checked.envelope, message.used))
        try:
            route = await self._selection.reroute(checked, self._agent, detail)
        except Unroutable as refusal:
            return self._given_up(message, refusal, model_calls=refusal.calls)
        except Refusal as refusal:
            return self._given_up(message, refusal)
        return [self._routes.of(checked, route)]

    def _given_up(self, message: RoutedMessage, refusal: Refusal, *, model_calls: int = 0) -> list[Draft]:
        _log.warning(
            "given up", agent=self._agent, message_id=message.message_id, reason=refusal.reason.value
        )
        return self._rejections.refused(message.original, Stage.DISPATCH, refusal, model_calls=model_calls)
