"""What a stranger's post counts against, and what is told when a counter is full."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Charge:
    """One counter that a post takes from: at most ``limit`` within ``period`` of its first.

    ``key`` is a digest: no address stands in the counters.
    """

    key: str
    limit: int
    period: timedelta
    of_poster: bool


@dataclass(frozen=True, slots=True)
class Limited:
    """A post that was not taken because a counter is full, and when that counter begins again."""

    retry_after: timedelta


class TooManyLeads(Exception):
    """A stranger has posted enough; ``seconds`` until it is worth while to try again."""

    def __init__(self, limited: Limited) -> None:
        # It is not said which limit it was: that would tell a stranger who else has posted an address.
        super().__init__("too many leads were posted from your address, for this recipient or for its domain")
        self.seconds = max(1, int(limited.retry_after.total_seconds()) + 1)
