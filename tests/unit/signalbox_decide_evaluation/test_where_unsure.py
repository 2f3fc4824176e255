"""ROUTER_ASK=learned: what was learned decides where it is sure, and the model is asked otherwise."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from signalbox.gate import Accepted
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import AgentId
from signalbox_decide.asking import Chooser, WhereUnsure, chooser_of
from signalbox_decide.evaluation.answers import Answer, Judged, Run, judged
from signalbox_decide.evaluation.choosers import by_learned
from signalbox_decide.evaluation.learned_first import learned_first
from signalbox_decide.learned import Learned, write_learned
from signalbox_decide.router import Choice, message_text
from small_cases import agent, case, learned_by_words

Agents = dict[AgentId, AgentDefinition]
BY_MODEL = Choice(AgentId("bakery"), "the model said so", "m", 1, 10, 2, 30)


class Asked:
    """The model's router: counts how often it is asked."""

    def __init__(self) -> None:
        self.times = 0

    async def choose(self, *_: Any) -> Choice:
        self.times += 1
        return BY_MODEL


@pytest.fixture
def file(tmp_path: Path, agents: Agents) -> Path:
    write_learned(tmp_path / "l.json", learned_by_words(agents, {"bakery": "bread", "garage": "brakes"}))
    return tmp_path / "l.json"


def message(text: str, of: str) -> Any:
    class Message:
        record_type, datum = of, {"text": text}

    return Message


async def chosen(
    chooser: Chooser, text: str, candidates: Sequence[AgentDefinition], of: str = "support.Ticket"
) -> Choice:
    given: Accepted = message(text, of)
    return await chooser.choose(given, candidates)


async def test_where_it_is_sure_no_model_is_asked_and_the_decision_says_what_chose(
    file: Path, agents: Agents
) -> None:
    model = Asked()
    choice = await chosen(chooser_of(model, "learned", file, 0.3), "brakes brakes", list(agents.values()))
    assert (choice.agent, choice.calls, model.times) == ("garage", 0, 0)
    assert choice.model == f"learned:{Learned.load(file, {}).digest[:12]}"
    assert "no model was asked" in choice.reason


async def test_none_is_an_answer_of_it_too(file: Path, agents: Agents) -> None:
    choice = await chosen(chooser_of(Asked(), "learned", file, 0.0), "rain", list(agents.values()))
    assert choice.agent is None


async def test_where_it_is_not_sure_enough_the_model_is_asked(file: Path, agents: Agents) -> None:
    text = message_text("support.Ticket", {"text": "brakes brakes"})
    _, confidence = Learned.load(file, agents).choose(text, list(agents.values()))
    for at_least, asked in ((confidence, 0), (confidence + 1e-9, 1)):
        model = Asked()
        await chosen(chooser_of(model, "learned", file, at_least), "brakes brakes", list(agents.values()))
        assert model.times == asked


async def test_a_candidate_that_is_new_or_defined_otherwise_makes_it_ask(file: Path, agents: Agents) -> None:
    model = Asked()
    chooser = chooser_of(model, "learned", file, 0.0)
    changed = agents[AgentId("garage")].model_copy(update={"description": "Sells flowers."})
    for candidates in ([*agents.values(), agent("florist", "Sells flowers.")], [changed]):
        assert await chosen(chooser, "brakes", candidates) == BY_MODEL
    assert model.times == 2


async def test_the_measured_row_decides_as_the_running_router_does(file: Path, agents: Agents) -> None:
    learned = Learned.load(file, agents)
    for at_least in (0.0, 0.4, 0.65, 1.0):
        model = Asked()
        chooser = chooser_of(model, "learned", file, at_least)
        for one in map(case, range(12)):
            linear = judged(one, await by_learned(learned)(one, list(agents.values())))
            asked = judged(one, Answer(said=BY_MODEL.agent or "NONE", reason="so", calls=1))
            [measured] = learned_first(run_of(linear), run_of(asked), at_least).run.judged
            choice = await chosen(chooser, one.record["text"], list(agents.values()), one.record_type)
            assert (choice.agent or "NONE", choice.calls) == (measured.answer.said, measured.answer.calls)


def run_of(one: Judged) -> Run:
    return Run(name="one", model="", judged=(one,))


def told_of(reported: list[tuple[str, str | None]]) -> str:
    return reported[-1][1] or ""


def test_an_operator_is_told_of_the_agents_for_which_the_file_is_refused(
    file: Path, agents: Agents, capsys: pytest.CaptureFixture[str]
) -> None:
    reported: list[tuple[str, str | None]] = []
    chooser = chooser_of(Asked(), "learned", file, 0.9, lambda part, why: reported.append((part, why)))
    assert isinstance(chooser, WhereUnsure)
    as_learned, changed = list(agents.values()), agent("garage", "Sells flowers.")
    chooser.look_at(as_learned)
    assert reported == [("router learned", None)]
    chooser.look_at([agents[AgentId("bakery")], changed])
    chooser.look_at([agents[AgentId("bakery")], changed])
    assert told_of(reported) == (
        "refused where garage may take the message, and the model is asked:"
        " it was learned with other definitions; learn again: signalbox routes train"
    )
    chooser.look_at([*as_learned, agent("florist", "Sells flowers.")])
    assert told_of(reported).startswith("refused where florist may take")
    assert not_learned() == 1
    chooser.look_at(as_learned)
    assert (reported[-1], not_learned()) == (("router learned", None), 0)
    logged = capsys.readouterr()
    assert (logged.out + logged.err).count("not_learned_as_defined_now") == 2, "once for each agent"


def not_learned() -> float | None:
    return REGISTRY.get_sample_value("signalbox_agents_not_learned")


@pytest.mark.parametrize("text", [None, "{}", '{"version": 9}'])
def test_a_file_that_is_missing_or_not_right_is_refused_at_the_start(
    tmp_path: Path, text: str | None
) -> None:
    if text is not None:
        (tmp_path / "l.json").write_text(text)
    with pytest.raises(ConfigurationError, match=r"l\.json"):
        chooser_of(Asked(), "learned", tmp_path / "l.json", 0.9)


def test_without_a_file_the_setting_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="ROUTER_LEARNED"):
        chooser_of(Asked(), "learned")
