"""The statistics against values that are known from elsewhere."""

import pytest

from signalbox_decide.evaluation.statistics import mcnemar, paired_difference, percentile, wilson


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [  # the first four: R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
        (1, 2, 0.0945, 0.9055),
    ],
)
def test_wilsons_interval(right: int, total: int, low: float, high: float) -> None:
    assert wilson(right, total) == pytest.approx((low, high), abs=5e-5)


def test_without_a_trial_every_share_is_possible() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"),
    [  # the last one by scipy.stats.binomtest(16, 75)
        (0, 0, 1.0),
        (5, 5, 1.0),
        (0, 1, 1.0),
        (0, 5, 0.0625),
        (0, 6, 0.03125),
        (1, 9, 22 / 1024),
        (10, 2, 158 / 4096),
        (59, 16, 6.1142e-7),
    ],
)
def test_mcnemars_exact_test(only_first: int, only_second: int, p: float) -> None:
    assert mcnemar(only_first, only_second) == pytest.approx(p, rel=1e-4)
    assert mcnemar(only_second, only_first) == mcnemar(only_first, only_second)


def test_mcnemars_test_takes_many_cases() -> None:
    assert 0 < mcnemar(5000, 5400) < 0.0001


def test_newcombes_interval_of_a_difference_between_the_same_cases() -> None:
    # Fagerland, Lydersen and Laake, Statistics in Medicine 33 (2014): Bentur's patients, method 10
    assert paired_difference(1, 1, 7, 12) == pytest.approx((-0.507, -0.026), abs=5e-4)
    # Without a correlation (both right in all that one is), it is the one of two samples.
    assert paired_difference(10, 0, 0, 0) == pytest.approx((-0.2775, 0.2775), abs=5e-5)


@pytest.mark.parametrize(
    "counts", [(1, 1, 7, 12), (59, 6, 16, 80), (0, 5, 5, 0), (0, 0, 9, 0), (80, 1, 0, 5)]
)
def test_the_other_difference_has_the_other_interval(counts: tuple[int, int, int, int]) -> None:
    both, first, second, neither = counts
    low, high = paired_difference(*counts)
    assert paired_difference(both, second, first, neither) == pytest.approx((-high, -low))
    assert -1 <= low <= (first - second) / sum(counts) <= high <= 1


def test_without_a_case_every_difference_is_possible() -> None:
    assert paired_difference(0, 0, 0, 0) == (-1.0, 1.0)


def test_percentiles_are_of_the_nearest_rank() -> None:
    assert [percentile([15, 20, 35, 40, 50], percent) for percent in (5, 30, 50, 95, 100)] == [
        15,
        20,
        35,
        50,
        50,
    ]
    assert percentile([], 95) == 0
