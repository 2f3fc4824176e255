"""The time, as decisions ask for it: tests and replays give another."""

import asyncio
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Who knows what time it is."""

    def now(self) -> datetime:
        """Return the time of day, with its zone."""

    def elapsed(self) -> float:
        """Return seconds that only grow, on the loop's scale."""


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """Return the time of day in UTC."""
        return datetime.now(UTC)

    def elapsed(self) -> float:
        """Return the running loop's time."""
        return asyncio.get_running_loop().time()


SYSTEM = SystemClock()
