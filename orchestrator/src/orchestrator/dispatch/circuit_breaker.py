"""A circuit breaker for one agent: while it fails, few calls find out whether it is well again.

Own code: the libraries for asyncio (purgatory, aiobreaker) count calls. Here messages are counted, so that
what fails by itself says nothing of the agent, and no message's failures hold the others.
"""

import asyncio
from collections.abc import Callable, Hashable
from datetime import UTC, datetime
from enum import Enum, StrEnum, auto
from typing import Final

_PACE_S: Final = 0.1
"""The pause between messages that were never tried, while the agent is there and others fail, in seconds."""


class Circuit(StrEnum):
    """Closed lets calls through, open none, half open those that find out whether the agent is well."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Standing(Enum):
    """What the calls so far say of a message."""

    NEW = auto()
    """It has not failed."""
    FAILED = auto()
    """It failed, and nothing succeeded since: it or the agent is at fault."""
    AT_FAULT = auto()
    """It failed, and another succeeded since: it fails by itself."""
    SUSPECT = auto()
    """The connection broke again and again while it was under way: the agent may have died of it."""


class CircuitBreaker:
    """Opens when ``threshold`` different messages failed, and none succeeded; one success closes it.

    While it is open and the agent can't be reached, one call at a time probes, ``pause(n)`` seconds after
    the one before, ``n`` from 1. While the agent is there and fails, a message that was never tried probes
    every ``pace_s``, since it alone tells more than was known; others wait for the pause, as above.
    """

    def __init__(self, threshold: int, pause: Callable[[int], float], pace_s: float = _PACE_S) -> None:
        self._threshold = threshold
        self._pause = pause
        self._pace_s = pace_s
        self._failed: set[Hashable] = set()
        self._unreached = 0
        self._is_there = True
        self._probes = 0
        self._probing = 0
        self._next_probe = self._next_new = 0.0
        self.open_since: datetime | None = None

    @property
    def state(self) -> Circuit:
        """Closed, open, or half open while a probe is under way."""
        if self.open_since is None:
            return Circuit.CLOSED
        return Circuit.HALF_OPEN if self._probing else Circuit.OPEN

    def wait_s(self, standing: Standing) -> float | None:
        """Return in how many seconds a call may leave, 0 for now; None: when a probe has come back."""
        if self.open_since is None or (self._is_there and standing is Standing.AT_FAULT):
            return 0.0
        if self._probing and not self._is_there:
            return None
        return max(0.0, (self._next_new if self._is_quick(standing) else self._next_probe) - _now())

    def leaves(self, standing: Standing) -> bool:
        """Note that a call leaves, and say whether it is a probe; :meth:`probed` comes after each probe."""
        if self.open_since is None or (self._is_there and standing is Standing.AT_FAULT):
            return False
        self._probing += 1
        if self._is_quick(standing):
            self._next_new = _now() + self._pace_s
        else:
            self._probes += 1
            self._next_probe = _now() + self._pause(self._probes)
        return True

    def probed(self) -> None:
        """Note that a probe is over, whatever it found out."""
        self._probing -= 1

    def succeeded(self) -> None:
        """Note that the agent is well."""
        self._failed.clear()
        self._unreached = self._probes = 0
        self._is_there, self.open_since = True, None

    def failed(self, message: Hashable, standing: Standing) -> None:
        """Note that the agent is there, and ``message`` failed; its standing is that before the call."""
        self._is_there, self._unreached = True, 0
        if standing is not Standing.AT_FAULT:
            self._failed.add(message)
            self._judge()

    def not_reached(self, rest_s: float = 0.0) -> None:
        """Note that the agent can't be reached, or is not ready; it asks for ``rest_s`` seconds."""
        self._is_there = False
        self._unreached += 1
        self._judge()
        self._next_probe = max(self._next_probe, _now() + max(rest_s, self._pause(max(1, self._probes))))

    def _judge(self) -> None:
        if self.open_since is None and max(len(self._failed), self._unreached) >= self._threshold:
            self.open_since = datetime.now(UTC)
            self._next_probe = _now() + self._pause(1)

    def _is_quick(self, standing: Standing) -> bool:
        return self._is_there and standing is Standing.NEW


def _now() -> float:
    return asyncio.get_running_loop().time()
