"""A linear router before a model: what that saves and costs, without a question to anybody."""

import pytest

from signalbox_decide.evaluation.answers import Answer, Run, judged
from signalbox_decide.evaluation.figures import Share
from signalbox_decide.evaluation.learned_first import LearnedFirst, learned_first
from small_cases import case

CASES = [case(number) for number in range(6)]
"""About bakery, garage, NONE, twice."""
LINEAR = [("bakery", 0.95), ("garage", 0.9), ("bakery", 0.99), ("bakery", 0.5), ("NONE", 0.2), ("NONE", 0.0)]
MODEL = ["garage", "garage", "NONE", "bakery", "bakery", "NONE"]


def together(at_least: float) -> LearnedFirst:
    linear = [Answer(said=said, reason="so", confidence=sure, latency_ms=2) for said, sure in LINEAR]
    model = [Answer(said=said, reason="m", calls=2, input_tokens=10, latency_ms=50) for said in MODEL]
    first = Run(name="linear", model="", judged=tuple(map(judged, CASES, linear)))
    second = Run(name="openai:m", model="openai:m", judged=tuple(map(judged, CASES, model)))
    return learned_first(first, second, at_least)


def test_linear_answers_where_its_confidence_is_enough_and_the_model_elsewhere() -> None:
    run = together(0.9).run
    assert [one.answer.said for one in run.judged] == [
        "bakery",
        "garage",
        "bakery",
        "bakery",
        "bakery",
        "NONE",
    ]
    assert [one.answer.calls for one in run.judged] == [0, 0, 0, 2, 2, 2]
    assert [one.answer.latency_ms for one in run.judged] == [2, 2, 2, 52, 52, 52]
    assert (run.name, run.model) == ("learned", "openai:m")
    assert run.judged[0].answer.reason == "linear, confidence 0.95; no model was asked"


def test_what_is_saved_and_who_was_right_is_counted() -> None:
    found = together(0.9)
    assert (found.saved, found.sure, found.asked) == (Share(3, 6), Share(2, 3), Share(2, 3))
    assert found.always == Share(4, 6)


def test_the_loss_is_against_asking_always_case_by_case() -> None:
    found = together(0.9)
    assert (found.only_always, found.only_learned, found.loss, found.p) == (1, 1, 0.0, 1.0)
    low, high = found.loss_interval
    assert low == pytest.approx(-high)
    assert together(0.99).loss == pytest.approx(1 / 6)
    assert together(0.99).loss_interval.high > 1 / 6


def test_with_the_confidence_0_the_model_is_asked_whatever_the_threshold() -> None:
    found = together(0.0)
    assert found.saved == Share(5, 6)
    assert found.run.judged[5].answer.calls == 2


def test_a_threshold_that_is_never_reached_loses_and_saves_nothing() -> None:
    found = together(1.0)
    assert (found.saved, found.sure, found.loss, found.only_always) == (Share(0, 6), Share(0, 0), 0.0, 0)
    assert found.asked == found.always
