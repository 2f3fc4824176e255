"""Calls to agents: away, failing, refusing and dying are four different things."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tenacity import AsyncRetrying, RetryCallState, retry_if_result, wait_random_exponential

from orchestrator.breaker import CircuitBreaker
from orchestrator.posting import Away, Broken, Done, Failed, Outcome, Posting, Refused
from orchestrator.presence import Presence
from orchestrator.solitude import Solitude
from signalbox.records import Record

_LONGEST_PAUSE_S: Final = 120.0
"""The longest wait that an agent can ask for by ``Retry-After``, in seconds."""
_BROKEN_IN_COMPANY: Final = 2
"""Once is no suspicion: processes are killed for many reasons, and to deliver all alone would take long."""


@dataclass(frozen=True, slots=True)
class Poisoned:
    """The agent's process died of this message, every time that it got it."""

    detail: str


Settled = Done | Refused | Failed | Poisoned
Endpoint = Callable[[], str]


@dataclass(slots=True)
class _Delivery:
    """One message so far: attempts that failed, connections that broke, deaths with it alone."""

    failures: int = 0
    broken: int = 0
    deaths: int = 0

    @property
    def suspect(self) -> bool:
        return self.broken >= _BROKEN_IN_COMPANY


class AgentCaller:
    """Delivers messages to one agent, a few at a time, and keeps its :class:`Presence` up to date.

    While the agent is away (refused, 429, 503, not ready) this waits without limit. Errors and time-outs of
    an agent that is ready count as attempts. A message that was under way twice when the connection broke is
    a suspect: it is delivered again to an agent that is ready, with nothing beside it. When the agent is gone
    after that, ``deaths`` times, and came back each time, it died of this message; when it is still there,
    that was an attempt. While an agent does not come back, none of its messages is at fault.
    """

    def __init__(
        self,
        posting: Posting,
        presence: Presence,
        *,
        attempts: int,
        deaths: int = 3,
        at_once: int = 16,
        opens_after: int = 5,
        longest_pause_s: float = 5.0,
    ) -> None:
        self._posting = posting
        self._presence = presence
        self._attempts = attempts
        self._deaths = deaths
        self._slots = asyncio.Semaphore(at_once)
        self._solitude = Solitude()
        self._backoff = wait_random_exponential(multiplier=0.1, max=longest_pause_s)
        self._breaker = CircuitBreaker(opens_after, lambda probes: self._backoff(_state(probes)))
        presence.watch(self._breaker)

    async def deliver(self, original: Record, endpoint: Endpoint) -> Settled:
        """Post ``original`` until it is settled; ``endpoint`` is asked before each attempt."""
        delivery = _Delivery()

        async def attempt() -> Outcome | Poisoned:
            return await self._breaker.call(lambda: self._attempted(delivery, original, endpoint), _fault)

        attempts = AsyncRetrying(
            retry=retry_if_result(lambda outcome: not self._settles(delivery, outcome)), wait=self._until_next
        )
        outcome: Outcome | Poisoned = await attempts(attempt)
        assert not isinstance(outcome, Away | Broken)
        if isinstance(outcome, Failed):
            return Failed(f"{delivery.failures} attempts; the last: {outcome.detail}")
        return outcome

    def agent_left(self) -> None:
        """Forget that the agent is away: it is not missed any more."""
        self._presence.forget()

    def _settles(self, delivery: _Delivery, outcome: Outcome | Poisoned) -> bool:
        match outcome:
            case Failed():
                delivery.failures += 1
                return delivery.failures >= self._attempts
            case Away() | Broken():
                return False
            case _:
                return True

    async def _attempted(self, delivery: _Delivery, original: Record, locate: Endpoint) -> Outcome | Poisoned:
        async with self._slots:
            outcome = await (
                self._alone(delivery, original, locate)
                if delivery.suspect
                else self._together(delivery, original, locate)
            )
        self._presence.saw(outcome)
        return outcome

    async def _together(self, delivery: _Delivery, original: Record, locate: Endpoint) -> Outcome:
        async with self._solitude.together():
            endpoint = locate()
            outcome = await self._posting.post(original, endpoint)
            if isinstance(outcome, Failed) and not await self._posting.is_ready(endpoint):
                return Away(f"not ready: {outcome.detail}")
        delivery.broken += isinstance(outcome, Broken)
        return outcome

    async def _alone(self, delivery: _Delivery, original: Record, locate: Endpoint) -> Outcome | Poisoned:
        async with self._solitude.alone():
            endpoint = locate()
            if not await self._posting.is_ready(endpoint):
                return Away("not ready, after a connection broke")
            if delivery.deaths >= self._deaths:
                return Poisoned(f"the agent died {delivery.deaths} times with this message alone")
            outcome = await self._posting.post(original, endpoint)
            if isinstance(outcome, Done | Refused):
                return outcome
            there = await self._posting.is_ready(endpoint)
        match outcome:
            case Broken(detail) if there:  # it lives, and hung up: an attempt that failed
                return Failed(detail)
            case Broken():
                delivery.deaths += 1
            case Failed(detail) if not there:
                return Away(f"not ready: {detail}")
        return outcome

    def _until_next(self, state: RetryCallState) -> float:
        assert state.outcome is not None
        return max(self._backoff(state), _asked(state.outcome.result()))


def _asked(outcome: Outcome | Poisoned) -> float:
    return min(outcome.retry_after, _LONGEST_PAUSE_S) if isinstance(outcome, Away) else 0.0


def _fault(outcome: Outcome | Poisoned) -> float | None:
    return _asked(outcome) if isinstance(outcome, Away | Failed | Broken) else None


def _state(attempt: int) -> RetryCallState:
    state = RetryCallState(AsyncRetrying(), None, (), {})
    state.attempt_number = attempt
    return state
