"""Guards against runaways: limits that hold before the model is called."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from signalbox.models import usd
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.envelope import Envelope
from signalbox.protocol.errors import Refusal
from signalbox.protocol.headers import CE
from signalbox.protocol.reasons import Reason
from signalbox_decide.clock import SYSTEM, Clock


def _never(_: datetime, __: datetime) -> timedelta:
    return timedelta(0)


@dataclass(frozen=True, slots=True)
class Guards:
    """A workflow's limits: hops, visits of one agent, model tokens and their cost, and its age.

    ``cost`` is in billionths of a US dollar, None without a limit. ``waited`` says how long, from one time
    to another, nothing went on for want of a budget; that does not count as age.
    """

    hops: int
    visits: int
    tokens: int
    age: timedelta
    clock: Clock = SYSTEM
    cost: int | None = None
    waited: Callable[[datetime, datetime], timedelta] = _never

    def check(self, envelope: Envelope) -> None:
        """Let ``envelope``'s workflow go on.

        Raises:
            Refusal: ``HOP_LIMIT``, ``BUDGET_EXCEEDED`` or ``DEADLINE_EXCEEDED``.
        """
        if envelope.hop >= self.hops:
            raise Refusal(Reason.HOP_LIMIT, f"hop {envelope.hop} of at most {self.hops}", CE.HOP)
        if envelope.tokens >= self.tokens:
            detail = f"{envelope.tokens} of {self.tokens} model tokens are used"
            raise Refusal(Reason.BUDGET_EXCEEDED, detail, CE.TOKENS)
        if self.cost is not None and envelope.cost >= self.cost:
            detail = f"{usd(envelope.cost)} of {usd(self.cost)} are spent on models"
            raise Refusal(Reason.BUDGET_EXCEEDED, detail, CE.COST)
        started = envelope.workflow_time or envelope.time
        now = self.clock.now()
        if now - started > self.age and now - started - self.waited(started, now) > self.age:
            detail = f"the workflow began at {started.isoformat()} and may take {self.age}"
            raise Refusal(Reason.DEADLINE_EXCEEDED, detail, CE.WORKFLOWTIME)

    def unspent(self, envelope: Envelope, agents: Iterable[AgentDefinition]) -> list[AgentDefinition]:
        """Return those of ``agents`` that this workflow may visit again.

        Raises:
            Refusal: ``VISIT_LIMIT``, when there were some and each had its visits.
        """
        asked = list(agents)
        left = [agent for agent in asked if envelope.visits.get(agent.id, 0) < self.visits]
        if asked and not left:
            names = ", ".join(agent.id for agent in asked)
            detail = f"each of {names} was visited {self.visits} times in this workflow"
            raise Refusal(Reason.VISIT_LIMIT, detail, CE.VISITS)
        return left
