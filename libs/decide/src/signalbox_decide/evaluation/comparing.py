"""Comparing two runs over the same cases: what changed, and whether chance may have done it."""

from dataclasses import dataclass

from signalbox.protocol.errors import ConfigurationError
from signalbox_decide.evaluation.answers import Judged, Run, right_of
from signalbox_decide.evaluation.statistics import mcnemar


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs over ``cases`` cases; ``changed`` holds what was said otherwise, first and second."""

    cases: int
    first_right: int
    second_right: int
    only_first: int
    only_second: int
    p: float
    changed: tuple[tuple[Judged, Judged], ...]


def compare(first: Run, second: Run) -> Comparison:
    """Compare what was said on the same cases, with McNemar's exact test.

    Raises:
        ConfigurationError: the runs are not over the same cases with the same labels.
    """
    one, two = _by_case(first), _by_case(second)
    if one.keys() != two.keys():
        odd = sorted(one.keys() ^ two.keys())
        raise ConfigurationError(
            f"the runs are over other cases: {odd[0]} and {len(odd) - 1} more are in one"
        )
    pairs = [(one[case], two[case]) for case in one]
    for left, right in pairs:
        if left.label != right.label:
            raise ConfigurationError(f"{left.case_id}: the label was {left.label}, and is {right.label}")
    only_first = sum(left.is_right and not right.is_right for left, right in pairs)
    only_second = sum(right.is_right and not left.is_right for left, right in pairs)
    return Comparison(
        cases=len(pairs),
        first_right=right_of(first.judged),
        second_right=right_of(second.judged),
        only_first=only_first,
        only_second=only_second,
        p=mcnemar(only_first, only_second),
        changed=tuple(pair for pair in pairs if pair[0].answer.said != pair[1].answer.said),
    )


def _by_case(run: Run) -> dict[str, Judged]:
    return {one.case_id: one for one in run.judged}
