"""The statistics of right and wrong: an interval for a share, a test for a difference, a percentile."""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

_Z95: Final = 1.959963984540054
"""The 97.5 % point of the normal distribution: two-sided 95 %."""


class Interval(NamedTuple):
    """Bounds of a share, each from 0 to 1."""

    low: float
    high: float


def wilson(right: int, total: int) -> Interval:
    """Return the 95 % interval of the share ``right`` of ``total``; with no trial, everything is possible.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22, 1927.
    """
    if total == 0:
        return Interval(0.0, 1.0)
    share, z2 = right / total, _Z95**2
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z95 / (1 + z2 / total) * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    # At the ends the formula gives exactly 0 or 1, but for rounding.
    low = 0.0 if right == 0 else max(0.0, middle - half)
    high = 1.0 if right == total else min(1.0, middle + half)
    return Interval(low, high)


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p of McNemar's test, from 0 to 1.

    The counts are the cases in which only one of the two was right. When both are equally good, each such
    case is a toss of a coin; p is how likely a split at least as uneven is.
    Source: Q. McNemar, Psychometrika 12 (1947), with the binomial distribution instead of chi-square.
    """
    tosses = only_first + only_second
    tail, ways = 0, 1
    for count in range(min(only_first, only_second) + 1):
        tail += ways
        ways = ways * (tosses - count) // (count + 1)  # binomial coefficients, each out of the one before
    return min(1.0, tail / 2 ** (tosses - 1)) if tosses else 1.0


def percentile(values: Sequence[int], percent: int) -> int:
    """Return the nearest-rank percentile of ``values``; 0 of none."""
    if not values:
        return 0
    rank = max(1, math.ceil(percent / 100 * len(values)))
    return sorted(values)[rank - 1]
