"""How many mails a person gets, and how long a mail is held back: numbers, and the sums on them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits per recipient and per recipient domain, and how long a mail that is held may wait.

    ``opening_every``: a person who has not confirmed gets one mail in this time, whoever names the address.
    """

    per_hour: int = 2
    per_day: int = 3
    per_month: int = 10
    domain_per_day: int = 5_000
    opening_every: timedelta = timedelta(days=30)
    held_for_place: timedelta = timedelta(hours=72)
    held_for_confirmation: timedelta = timedelta(days=30)
    look_again: timedelta = timedelta(minutes=10)

    @property
    def caps(self) -> tuple[tuple[float, int], ...]:
        """Return each window in seconds with the mails that it may hold."""
        return ((3_600.0, self.per_hour), (DAY_S, self.per_day), (30 * DAY_S, self.per_month))

    @property
    def reach_s(self) -> float:
        """Return how far from a mail another one may count against it, in seconds."""
        return max(window for window, _ in self.caps)


def has_room(taken: Iterable[float], at: float, caps: Iterable[tuple[float, int]]) -> bool:
    """Say whether one more mail at ``at`` leaves every window, wherever it begins, within its cap.

    ``taken`` are the times of the others, future ones too: a clock that was set back frees no place.
    """
    times = sorted([*taken, at])
    for window, most in caps:
        if most < 1:
            return False
        for first, last in zip(times, times[most:], strict=False):
            if last - first < window and first <= at <= last:
                return False
    return True


def next_room(taken: Iterable[float], at: float, caps: Sequence[tuple[float, int]]) -> float:
    """Return when there is room for one more mail, from ``at`` on."""
    times = list(taken)
    windows_end = {one + window for one in times for window, _ in caps}
    candidates = sorted({at, *(end for end in windows_end if end > at)})
    return next((each for each in candidates if has_room(times, each, caps)), candidates[-1])


def day_of(at: float) -> tuple[float, float]:
    """Return where the UTC day of ``at`` begins and ends."""
    begin = at // DAY_S * DAY_S
    return begin, begin + DAY_S
