"""A clock that a test moves."""

from datetime import datetime, timedelta

from signalbox_decide.clock import SYSTEM


class MovableClock:
    """The time of this machine, and as much more as it was moved."""

    def __init__(self) -> None:
        self._moved = timedelta()

    def move(self, by: timedelta) -> None:
        """Let ``by`` pass at once."""
        self._moved += by

    def now(self) -> datetime:
        """Return the time of day in UTC."""
        return SYSTEM.now() + self._moved

    def elapsed(self) -> float:
        """Return seconds that only grow."""
        return SYSTEM.elapsed() + self._moved.total_seconds()
