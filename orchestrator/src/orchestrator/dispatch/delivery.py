"""Calls to agents: away, failing, refusing and dying are four different things."""

from dataclasses import dataclass, replace
from typing import Final

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, wait_random_exponential

from orchestrator.dispatch.agent_client import AgentClient, Away, Broken, Done, Failed, Outcome, Refused
from orchestrator.dispatch.attempts import Attempts, Endpoint
from orchestrator.dispatch.availability import AgentAvailability
from orchestrator.dispatch.circuit_breaker import CircuitBreaker, Standing
from orchestrator.dispatch.turns import Turns
from signalbox.protocol.records import Record

_LONGEST_PAUSE_S: Final = 120.0
"""The longest wait that an agent can ask for by ``Retry-After``, in seconds."""
TURNED_AWAY_S: Final = 600.0
"""A message that is turned away this long, in seconds, while others are taken, is not meant to come later."""


@dataclass(frozen=True, slots=True)
class Poisoned:
    """The agent's process died of this message, every time that it got it."""

    detail: str


Settled = Done | Refused | Failed | Poisoned


class AgentDelivery:
    """Delivers messages to one agent, a few at a time, and keeps its :class:`AgentAvailability` up to date.

    While the agent is away (refused, 429, 503, not ready) this waits without limit. Errors and time-outs of
    an agent that is ready count as attempts. A message that was under way twice when the connection broke,
    or when the agent answered nothing any more, is a suspect: it is delivered again to an agent that is
    ready, with nothing beside it. When the agent is gone after that, ``deaths`` times, and came back each
    time, it died of this message; when it is still there, that was an attempt. While an agent does not come
    back, none of its messages is at fault. A message that an agent turns away for :data:`TURNED_AWAY_S`,
    ``attempts`` times, each time after others were taken, has failed: it is not the moment that is bad.
    """

    def __init__(
        self,
        client: AgentClient,
        availability: AgentAvailability,
        *,
        attempts: int,
        deaths: int = 3,
        at_once: int = 16,
        opens_after: int = 5,
        longest_pause_s: float = 5.0,
        turned_away_s: float = TURNED_AWAY_S,
    ) -> None:
        self._client = client
        self._availability = availability
        self._attempts = attempts
        self._deaths = deaths
        self._turned_away_s = turned_away_s
        self._backoff = wait_random_exponential(multiplier=0.1, max=longest_pause_s)
        self._breaker = CircuitBreaker(opens_after, lambda probes: self._backoff(_state(probes)))
        self._turns = Turns(at_once, self._breaker)
        self._successes = 0
        self.failing = 0
        """How many messages are under way that failed before: they must not take the room of the others."""
        availability.watch(self._breaker)

    async def deliver(self, original: Record, endpoint: Endpoint) -> Settled:
        """Post ``original`` until it is settled; ``endpoint`` is asked before each attempt."""
        delivery = Attempts(original, endpoint)
        attempts = AsyncRetrying(
            retry=retry_if_result(lambda outcome: not self._settles(delivery, outcome)), wait=self._until_next
        )
        try:
            outcome: Outcome | Poisoned = await attempts(self._attempted, delivery)
        finally:
            self.failing -= delivery.failed_at is not None
        match outcome:
            case Failed(detail):
                return Failed(f"{delivery.failures} attempts; the last: {detail}")
            case Away(detail):
                return Failed(f"turned away {delivery.turned_away} times while others were taken: {detail}")
            case Broken():
                raise AssertionError(outcome)
        return outcome

    def agent_left(self) -> None:
        """Forget that the agent is away: it is not missed any more."""
        self._availability.forget()

    def _settles(self, delivery: Attempts, outcome: Outcome | Poisoned) -> bool:
        match outcome:
            case Failed():
                return delivery.failures >= self._attempts
            case Away():
                return delivery.were_turned_away(self._attempts, self._turned_away_s)
            case Broken():
                return False
            case _:
                return True

    async def _attempted(self, delivery: Attempts) -> Outcome | Poisoned:
        async with self._turns.turn(lambda: delivery.standing(self._successes)):
            standing = delivery.standing(self._successes)
            outcome = await (
                self._alone(delivery) if standing is Standing.SUSPECT else self._together(delivery)
            )
            self._note(delivery, standing, outcome)
        return outcome

    async def _together(self, delivery: Attempts) -> Outcome:
        endpoint = delivery.locate()
        return await self._judged(await self._client.post(delivery.original, endpoint), endpoint)

    async def _alone(self, delivery: Attempts) -> Outcome | Poisoned:
        endpoint = delivery.locate()
        if not await self._client.is_ready(endpoint):
            return Away("not ready, after a connection broke")
        if delivery.deaths >= self._deaths:
            return Poisoned(f"the agent died {delivery.deaths} times with this message alone")
        outcome = await self._judged(await self._client.post(delivery.original, endpoint), endpoint)
        if isinstance(outcome, Broken) and await self._client.is_ready(endpoint):
            return Failed(outcome.detail)  # it lives, and hung up: an attempt that failed
        delivery.deaths += isinstance(outcome, Broken)
        return outcome

    async def _judged(self, outcome: Outcome, endpoint: str) -> Outcome:
        """Ask the agent itself whether ``outcome`` tells of the message, or of an agent that is not there."""
        match outcome:
            case Failed(detail, late) if not await self._client.is_ready(endpoint):
                return Broken(f"gone: {detail}") if late else Away(f"not ready: {detail}")
            case Away(answered=True) if not await self._client.is_ready(endpoint):
                return replace(outcome, answered=False)
        return outcome

    def _note(self, delivery: Attempts, standing: Standing, outcome: Outcome | Poisoned) -> None:
        match outcome:
            case Done() | Refused():
                self._successes += 1
                self._breaker.succeeded()
            case Away(answered=False):
                self._breaker.not_reached(_asked(outcome))
            case Failed() | Broken() | Away():
                self._failed(delivery, standing, outcome)
                if isinstance(outcome, Away) and standing is Standing.AT_FAULT:
                    return  # it was turned away, and others are not: the agent is there
        self._availability.saw(outcome)

    def _failed(self, delivery: Attempts, standing: Standing, outcome: Failed | Broken | Away) -> None:
        self._breaker.failed(delivery, standing)
        self.failing += delivery.failed_at is None
        delivery.failed(outcome, standing, self._successes)

    def _until_next(self, state: RetryCallState) -> float:
        assert state.outcome is not None
        return max(self._backoff(state), _asked(state.outcome.result()))


def _asked(outcome: Outcome | Poisoned) -> float:
    return min(outcome.retry_after, _LONGEST_PAUSE_S) if isinstance(outcome, Away) else 0.0


def _state(attempt: int) -> RetryCallState:
    state = RetryCallState(AsyncRetrying(), None, (), {})
    state.attempt_number = attempt
    return state
