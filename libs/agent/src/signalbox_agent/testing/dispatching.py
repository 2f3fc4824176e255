"""What becomes of a route in memory: done, routed once more, or given up with the reason."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from signalbox.protocol.errors import Refusal, Unavailable
from signalbox.protocol.headers import ROUTE_AGENT
from signalbox.protocol.names import AgentId
from signalbox.protocol.reasons import Reason, Stage
from signalbox.protocol.records import Draft, Record
from signalbox_agent.testing.deciding import RecordDecider
from signalbox_agent.testing.patience import Patience
from signalbox_agent.testing.service import AgentService, Answer
from signalbox_decide.decisions import Refused, Routed, RoutedMessage


class Dispatching:
    """Hands routes to the agents, without waiting between two attempts."""

    def __init__(
        self,
        deciding: RecordDecider,
        agents: Mapping[AgentId, AgentService],
        patience: Patience,
        attempts: int,
    ) -> None:
        self._deciding = deciding
        self._agents = agents
        self._patience = patience
        self._attempts = attempts

    async def dispatch(self, route: Record) -> Sequence[Draft]:
        """Settle ``route``; write nothing when it is done, else a second route or a dead letter.

        Raises:
            Unsettled: the agent, the registry or the model was away for too long.
        """
        named = route.header(ROUTE_AGENT)
        if named is None:
            return []
        records = self._deciding.records
        try:
            message = await self._patience.settle(route, lambda: records.routed(route))
        except Refusal as refusal:
            return records.of(Refused(route, Stage.DISPATCH, refusal))
        decision = await self._settled(AgentId(named.decode()), message)
        return [] if decision is None else records.of(decision)

    async def _settled(self, agent: AgentId, message: RoutedMessage) -> Routed | Refused | None:
        answer = Answer(HTTPStatus.GONE)
        for _ in range(self._attempts):
            if agent not in self._deciding.directory.agents:
                detail = f"{agent} was removed from the directory before it took the message"
                return _given_up(message, Reason.AGENT_REMOVED, detail)
            answer = await self._patience.settle(message.original, lambda: self._posted(agent, message))
            match answer.status:
                case HTTPStatus.OK:
                    return None
                case HTTPStatus.UNPROCESSABLE_ENTITY:
                    return await self._refused(agent, message, answer.detail)
        detail = f"{agent}: {self._attempts} attempts; the last: {answer.detail}"
        return _given_up(message, Reason.AGENT_FAILED, detail)

    async def _posted(self, agent: AgentId, message: RoutedMessage) -> Answer:
        if agent not in self._agents:
            raise Unavailable(agent, "it was announced, and is not among the agents of this test")
        return await self._agents[agent].post(message.original)

    async def _refused(self, agent: AgentId, message: RoutedMessage, detail: str) -> Routed | Refused:
        decider = self._deciding.decider
        return await self._patience.settle(
            message.original, lambda: decider.decide_again(message, agent, detail)
        )


def _given_up(message: RoutedMessage, reason: Reason, detail: str) -> Refused:
    return Refused(message.original, Stage.DISPATCH, Refusal(reason, detail))
