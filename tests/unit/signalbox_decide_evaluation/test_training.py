"""Learning, where scikit-learn is installed; the error where it is not."""

import sys
from pathlib import Path

import pytest

from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import AgentId
from signalbox_decide import training
from signalbox_decide.evaluation.examples import examples_of
from signalbox_decide.learned import Learned, write_learned
from signalbox_decide.training import learn
from small_cases import case

Agents = dict[AgentId, AgentDefinition]
EXAMPLES = examples_of([case(number) for number in range(60)])


def test_without_scikit_learn_the_error_says_how_to_install_it(
    agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.linear_model", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'signalbox-decide\[train\]'"):
        learn(EXAMPLES, agents)


def test_too_little_to_learn_from_is_told(agents: Agents) -> None:
    with pytest.raises(ConfigurationError, match="too few examples"):
        learn(EXAMPLES[:1], agents)
    with pytest.raises(ConfigurationError, match="too few examples"):
        learn([example for example in EXAMPLES if example.label == "NONE"], agents)


def test_variants_of_one_text_are_of_one_group() -> None:
    one, other = examples_of([case(1, id="a/1"), case(1, id="a/1+hostile")])
    assert one.group == other.group == "a/1"


def test_serving_gives_the_probabilities_of_training(agents: Agents, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    texts = [example.text for example in EXAMPLES]
    regression = training._regression()
    regression.fit(training._matrix(texts), [example.label for example in EXAMPLES])
    write_learned(tmp_path / "learned.json", training._fitted(EXAMPLES, agents, 1.0))
    served = Learned.load(tmp_path / "learned.json", agents)
    for text, expected in zip(texts, regression.predict_proba(training._matrix(texts)), strict=True):
        chances = served.chances(text, list(agents))
        assert chances == pytest.approx(dict(zip(regression.classes_, expected, strict=True)), abs=1e-3)


def test_two_labels_alone_are_learned_and_served_alike(agents: Agents) -> None:
    pytest.importorskip("sklearn")
    two = [example for example in EXAMPLES if example.label != "NONE"]
    regression = training._regression()
    regression.fit(training._matrix([e.text for e in two]), [e.label for e in two])
    served = Learned(training._fitted(two, agents, 1.0))
    expected = regression.predict_proba(training._matrix([two[0].text]))[0]
    chances = served.chances(two[0].text, list(agents))
    assert [chances["bakery"], chances["garage"]] == pytest.approx(expected, abs=1e-3)


def test_what_was_learned_is_right_about_new_messages_and_the_same_each_time(agents: Agents) -> None:
    pytest.importorskip("sklearn")
    learned = learn(EXAMPLES, agents)
    assert learned == learn(EXAMPLES, agents)
    router = Learned(learned)
    for example in examples_of([case(number) for number in range(100, 106)]):
        assert router.choose(example.text, list(agents.values()))[0] == example.label
