"""``ROUTER_ASK=learned``: a linear router where it is sure, a model otherwise; what that saves and costs.

No question is asked for it: what both say on the same cases is known already.
"""

from dataclasses import dataclass
from typing import Final

from signalbox_decide.evaluation.answers import Judged, Run, right_of
from signalbox_decide.evaluation.figures import Share
from signalbox_decide.evaluation.statistics import Interval, mcnemar, paired_difference
from signalbox_decide.learned import is_sure

LEARNED: Final = "learned"


@dataclass(frozen=True, slots=True)
class LearnedFirst:
    """``run`` is what ``linear`` says where its confidence is ``at_least`` so much, and ``model`` otherwise.

    ``saved``: in how many cases the model was not asked. ``sure``: how many of these are right.
    ``asked``: how many of the others. ``always``: how many are right when the model is asked in each case.
    ``only_always`` are right then alone, and ``only_learned`` in ``run`` alone.
    """

    run: Run
    at_least: float
    saved: Share
    sure: Share
    asked: Share
    always: Share
    only_always: int
    only_learned: int

    @property
    def loss(self) -> float:
        """How much accuracy is lost against asking the model in each case; negative when some is gained."""
        return (self.only_always - self.only_learned) / self.always.total

    @property
    def loss_interval(self) -> Interval:
        """Newcombe's interval of the loss, at 95 %: the cases are the same ones."""
        both = self.always.right - self.only_always
        neither = self.always.total - both - self.only_always - self.only_learned
        return paired_difference(both, self.only_always, self.only_learned, neither)

    @property
    def p(self) -> float:
        """McNemar's exact p: how likely so uneven a split is when both are equally good."""
        return mcnemar(self.only_always, self.only_learned)


def learned_first(linear: Run, model: Run, at_least: float) -> LearnedFirst:
    """Put ``linear`` before ``model``, which were run over the same cases, in the same order."""
    pairs = list(zip(linear.judged, model.judged, strict=True))
    together = [_together(first, second, at_least) for first, second in pairs]
    sure = [one for one in together if one.answer.confidence is not None]
    asked = [one for one in together if one.answer.confidence is None]
    instead = list(zip(together, model.judged, strict=True))
    return LearnedFirst(
        run=Run(name=LEARNED, model=model.model, judged=tuple(together)),
        at_least=at_least,
        saved=Share(len(sure), len(together)),
        sure=Share(right_of(sure), len(sure)),
        asked=Share(right_of(asked), len(asked)),
        always=Share(right_of(model.judged), len(model.judged)),
        only_always=sum(always.is_right and not learned.is_right for learned, always in instead),
        only_learned=sum(learned.is_right and not always.is_right for learned, always in instead),
    )


def _together(linear: Judged, model: Judged, at_least: float) -> Judged:
    said = linear.answer
    if is_sure(said.confidence or 0.0, at_least):
        reason = f"linear, confidence {said.confidence:.2f}; no model was asked"
        return linear.model_copy(update={"answer": said.model_copy(update={"reason": reason})})
    waited = said.latency_ms + model.answer.latency_ms
    return model.model_copy(update={"answer": model.answer.model_copy(update={"latency_ms": waited})})
