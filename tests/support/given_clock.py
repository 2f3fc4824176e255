"""A clock that stands where it is set, for what is decided by the time."""

from dataclasses import dataclass
from datetime import datetime


@dataclass
class GivenClock:
    """Says that it is ``at``."""

    at: datetime

    def now(self) -> datetime:
        return self.at

    def elapsed(self) -> float:
        return self.at.timestamp()
