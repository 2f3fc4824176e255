"""Cases as examples to learn from."""

from collections.abc import Sequence

from signalbox_decide.evaluation.cases import Case
from signalbox_decide.router import message_text
from signalbox_decide.training import Example


def examples_of(cases: Sequence[Case]) -> list[Example]:
    """Return ``cases`` as examples; ids that differ only behind a plus sign are of variants of one text."""
    return [
        Example(
            group=case.id.partition("+")[0],
            text=message_text(case.record_type, case.record),
            candidates=case.candidates,
            label=case.label,
        )
        for case in cases
    ]
