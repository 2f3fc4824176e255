"""The statistics against values that are known from elsewhere."""

import pytest

from signalbox_decide.evaluation.statistics import mcnemar, percentile, wilson


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


def test_percentiles_are_of_the_nearest_rank() -> None:
    assert [percentile([15, 20, 35, 40, 50], percent) for percent in (5, 30, 50, 95, 100)] == [
        15,
        20,
        35,
        50,
        50,
    ]
    assert percentile([], 95) == 0
