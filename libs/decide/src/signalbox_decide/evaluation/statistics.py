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


def paired_difference(both: int, only_first: int, only_second: int, neither: int) -> Interval:
    """Return the 95 % interval of the first share less the second, from -1 to 1, of the same cases.

    ``both`` is in how many both were right, and so on. With no case, everything is possible.
    Source: R. G. Newcombe, Improved confidence intervals for the difference between binomial proportions
    based on paired data, Statistics in Medicine 17 (1998), method 10: Wilson's intervals, correlated.
    """
    total = both + only_first + only_second + neither
    if total == 0:
        return Interval(-1.0, 1.0)
    first, second = both + only_first, both + only_second
    (low_1, high_1), (low_2, high_2) = wilson(first, total), wilson(second, total)
    share_1, share_2 = first / total, second / total
    below_1, above_1, below_2, above_2 = share_1 - low_1, high_1 - share_1, share_2 - low_2, high_2 - share_2
    together = _correlation(both, only_first, only_second, neither)

    def distance(one: float, other: float) -> float:
        return math.sqrt(max(0.0, one**2 - 2 * together * one * other + other**2))

    difference = share_1 - share_2
    return Interval(
        max(-1.0, difference - distance(below_1, above_2)), min(1.0, difference + distance(above_1, below_2))
    )


def _correlation(both: int, only_first: int, only_second: int, neither: int) -> float:
    """Return phi, nearer to 0 by Newcombe's correction where it is positive; 0 where it has no value."""
    first, second = both + only_first, both + only_second
    not_first, not_second = only_second + neither, only_first + neither
    spread = first * second * not_first * not_second
    if spread == 0:
        return 0.0
    excess: float = both * neither - only_first * only_second
    if excess > 0:
        excess = max(0.0, excess - (first + not_first) / 2)
    return excess / math.sqrt(spread)


def percentile(values: Sequence[int], percent: int) -> int:
    """Return the nearest-rank percentile of ``values``; 0 of none."""
    if not values:
        return 0
    rank = max(1, math.ceil(percent / 100 * len(values)))
    return sorted(values)[rank - 1]
