"""The figures of a run: how many are right, by class and slice, who is taken for whom, what it cost."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from signalbox_decide.evaluation.answers import UNROUTABLE, Judged, Run, right_of
from signalbox_decide.evaluation.price import price_usd
from signalbox_decide.evaluation.statistics import Interval, percentile, wilson

_MEDIAN: Final = 50
_SLOW: Final = 95


@dataclass(frozen=True, slots=True)
class Share:
    """How many of how many, and the 95 % interval of the share behind them."""

    right: int
    total: int

    @property
    def share(self) -> float:
        """From 0 to 1; 0 of none."""
        return self.right / self.total if self.total else 0.0

    @property
    def interval(self) -> Interval:
        """Wilson's, at 95 %."""
        return wilson(self.right, self.total)

    def as_dict(self) -> dict[str, Any]:
        """Return the share as JSON has it."""
        return {"right": self.right, "total": self.total, "share": self.share, "interval": [*self.interval]}


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class: how many ``cases`` have its label, how often it was ``said``, how often that was right."""

    label: str
    cases: int
    said: int
    right: int

    @property
    def recall(self) -> float | None:
        """The share of the class's cases that were found; None without cases."""
        return self.right / self.cases if self.cases else None

    @property
    def precision(self) -> float | None:
        """The share of right ones among those that were said to be of the class; None without any."""
        return self.right / self.said if self.said else None


class Figures:
    """What a run comes to."""

    def __init__(self, run: Run) -> None:
        self.run = run
        judged = run.judged
        self.all = _share(judged)
        self.choices = _share([one for one in judged if one.candidates > 1])
        """Only the cases that leave a choice between candidates."""
        self.input_tokens = sum(one.answer.input_tokens for one in judged)
        self.output_tokens = sum(one.answer.output_tokens for one in judged)
        self.calls = sum(one.answer.calls for one in judged)
        latencies = [one.answer.latency_ms for one in judged]
        self.p50_ms, self.p95_ms = percentile(latencies, _MEDIAN), percentile(latencies, _SLOW)
        self.usd = price_usd(run.model, self.input_tokens, self.output_tokens)
        """What the tokens cost in dollars; None when the model's price is not known."""

    @property
    def classes(self) -> list[ClassFigures]:
        """The classes by name: agents, ``NONE``, and ``UNROUTABLE`` where it was said."""
        cases = Counter(one.label for one in self.run.judged)
        said = Counter(one.answer.said for one in self.run.judged)
        right = Counter(one.label for one in self.run.judged if one.is_right)
        return [ClassFigures(name, cases[name], said[name], right[name]) for name in sorted(cases | said)]

    @property
    def confusion(self) -> list[tuple[str, str, int]]:
        """Label, what was said instead, and how often; the most frequent first."""
        wrong = Counter((one.label, one.answer.said) for one in self.disagreements)
        ordered = sorted(wrong.items(), key=lambda item: (-item[1], item[0]))
        return [(label, said, count) for (label, said), count in ordered]

    @property
    def disagreements(self) -> list[Judged]:
        """The answers that are not the label, in the cases' order."""
        return [one for one in self.run.judged if not one.is_right]

    @property
    def unroutable(self) -> int:
        """How often the model named neither a candidate nor ``NONE``."""
        return sum(one.answer.said == UNROUTABLE for one in self.run.judged)

    def slices(self) -> dict[str, dict[str, Share]]:
        """Return the shares by domain, record type, number of candidates, and tag."""
        by: Mapping[str, Callable[[Judged], Iterable[str]]] = {
            "domain": lambda one: [one.domain],
            "record type": lambda one: [one.record_type],
            "candidates": lambda one: [str(one.candidates)],
            "tag": lambda one: one.tags,
        }
        return {name: _shares(self.run.judged, keys) for name, keys in by.items()}


def _share(judged: Sequence[Judged]) -> Share:
    return Share(right_of(judged), len(judged))


def _shares(judged: Sequence[Judged], keys: Callable[[Judged], Iterable[str]]) -> dict[str, Share]:
    groups: dict[str, list[Judged]] = {}
    for one in judged:
        for key in keys(one):
            groups.setdefault(key, []).append(one)
    return {key: _share(group) for key, group in sorted(groups.items())}
