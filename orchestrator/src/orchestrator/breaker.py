"""A circuit breaker for one agent: while it fails, one call at a time finds out whether it is well again.

Own code: the libraries for asyncio (purgatory, aiobreaker) turn callers away while the circuit is open and
let all of them through when it is half open. Here callers wait in line, and the first of them is the probe.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

T = TypeVar("T")

Fault = Callable[[T], float | None]
"""Says of a result whether the agent failed: None when it is well, else the seconds that it wants to rest."""


class Circuit(StrEnum):
    """Closed lets calls through, open none, half open one."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitBreaker:
    """Opens after ``threshold`` failures in a row; one success closes it.

    ``pause(n)`` is how many seconds the ``n``-th probe waits, from 1; the other side may ask for more.
    """

    def __init__(self, threshold: int, pause: Callable[[int], float]) -> None:
        self._threshold = threshold
        self._pause = pause
        self._failures = 0
        self._next_probe = 0.0
        self._line = asyncio.Lock()  # it wakes waiters in the order in which they came
        self.state = Circuit.CLOSED
        self.open_since: datetime | None = None

    async def call(self, attempt: Callable[[], Awaitable[T]], fault: Fault[T]) -> T:
        """Make ``attempt`` when the circuit lets it through, and note how it went."""
        if self._lets_through():
            return self._noted(await attempt(), fault)
        async with self._line:
            if not self._lets_through():
                return await self._probed(attempt, fault)
        return self._noted(await attempt(), fault)

    def _lets_through(self) -> bool:
        return self.state is Circuit.CLOSED

    async def _probed(self, attempt: Callable[[], Awaitable[T]], fault: Fault[T]) -> T:
        await asyncio.sleep(self._next_probe - _now())
        self.state = Circuit.HALF_OPEN
        try:
            result = await attempt()
        except BaseException:  # given up, or stopped: nothing was found out
            self.state = Circuit.OPEN
            raise
        return self._noted(result, fault)

    def _noted(self, result: T, fault: Fault[T]) -> T:
        asked = fault(result)
        if asked is None:
            self._failures = 0
            self.state, self.open_since = Circuit.CLOSED, None
            return result
        self._failures += 1
        if self._failures >= self._threshold:
            probes = self._failures - self._threshold + 1
            self._next_probe = _now() + max(self._pause(probes), asked)
            self.open_since = self.open_since or datetime.now(UTC)
            self.state = Circuit.OPEN
        return result


def _now() -> float:
    return asyncio.get_running_loop().time()
