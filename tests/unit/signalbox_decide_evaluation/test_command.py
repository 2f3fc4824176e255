"""``signalbox routes``: what it prints, and that its exit status tells the truth."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from command_line import outcome_of
from signalbox.models import Completion
from signalbox.protocol.errors import Unavailable
from signalbox.telemetry import logger
from signalbox_cli import measuring
from signalbox_decide.evaluation.statistics import wilson
from signalbox_decide.learned import write_learned
from small_cases import agent, learned_by_words


@pytest.fixture(autouse=True)
def _nothing_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LLM_MODEL", "ROUTER_LLM_MODEL"):
        monkeypatch.delenv(name, raising=False)
    # Learning takes half a second; what is learned is in test_training.py.
    monkeypatch.setattr(measuring, "_LEARNS", "no_such_library")


@pytest.fixture
def routes(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    return partial(outcome_of, capsys, "routes")


Routes = Callable[..., tuple[int, str, str]]
MadeSet = Callable[..., Path]


def test_the_table_has_a_row_for_each_and_says_what_they_are(routes: Routes, made_set: MadeSet) -> None:
    status, out, _ = routes("eval", "--set", made_set())
    assert status == 0
    assert out.splitlines()[1].split()[:2] == ["offline", "8/12"]
    assert "contract alone  4/12   0.333" in out
    assert "Each row: the same 12 cases, part held_out." in out
    assert "offline: a word score, and no LLM" in out
    assert "no rows 'linear' and 'learned': learning needs scikit-learn" in out
    assert "case-2   NONE   bakery  It says so." in out


def test_json_has_every_figure_and_each_disagreement(routes: Routes, made_set: MadeSet) -> None:
    status, out, _ = routes("eval", "--set", made_set(), "--part", "all", "--json")
    said = json.loads(out)
    assert (status, said["part"], said["cases"]) == (0, "all", 30)
    offline = said["rows"][0]
    assert (offline["router"], offline["accuracy"]["right"], offline["usd"]) == ("offline", 20, 0.0)
    assert len(offline["disagreements"]) == 10
    assert {one["label"] for one in offline["classes"]} == {"bakery", "garage", "NONE"}


@pytest.mark.parametrize(("least", "status"), [("0.6", 0), ("0.7", 1)])
def test_the_exit_status_says_whether_the_first_row_is_good_enough(
    routes: Routes, made_set: MadeSet, least: str, status: int
) -> None:
    found, _, err = routes("eval", "--set", made_set(), "--fail-below", least)
    assert found == status
    assert ("accuracy 0.667 is below 0.7" in err) == bool(status)


def test_a_model_is_the_first_row_and_reads_the_prompt_of_the_file(
    routes: Routes, made_set: MadeSet, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[tuple[str, str]] = []

    async def complete(self: Any, *, instructions: str, output_type: Any, **_: Any) -> Completion[Any]:
        seen.append((self.name, instructions))
        logger(__name__).info("logged beside the output")
        return Completion(output_type(agent="NONE", reason="so"), self.name, 1, 10, 1)

    monkeypatch.setattr("signalbox.models.port.Model.complete", complete)
    monkeypatch.setattr("signalbox.models.port._provided", lambda name, settings: None)
    (tmp_path / "prompt.txt").write_text("Say NONE.")
    asked = ("--model", "openai:gpt-4o-mini", "--prompt", tmp_path / "prompt.txt", "--json")
    status, out, err = routes("eval", "--set", made_set(), *asked)
    rows = json.loads(out)["rows"]
    assert status == 0
    assert [row["router"] for row in rows] == ["openai:gpt-4o-mini", "contract alone", "offline"]
    assert rows[0]["usd"] == pytest.approx(12 * (10 * 0.15e-6 + 0.6e-6))
    assert ("openai:gpt-4o-mini", "Say NONE.") in seen
    assert not any(name == "offline" and words == "Say NONE." for name, words in seen)
    assert "logged beside the output" in err


def test_saved_runs_are_compared(routes: Routes, made_set: MadeSet, tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    assert routes("eval", "--set", made_set(), "--save", file)[0] == 0
    status, out, _ = routes("eval", "--compare", file, f"{file}:contract alone")
    assert status == 0
    assert "first   8/12 right, 0.667" in out
    assert "only the first is right in 4, only the second in 0" in out
    assert "p = 0.1250, chance may explain it" in out
    status, out, _ = routes("eval", "--compare", file, file, "--json")
    assert (status, json.loads(out)["p"], json.loads(out)["changed"]) == (0, 1.0, [])


def test_what_can_not_be_measured_is_told_with_status_2(
    routes: Routes, made_set: MadeSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = made_set()
    assert routes("eval", "--set", tmp_path / "none.jsonl")[0] == 2
    (tmp_path / "empty.txt").write_text(" \n")
    assert "would be no prompt" in routes("eval", "--set", file, "--prompt", tmp_path / "empty.txt")[2]
    assert "is no saved evaluation" in routes("eval", "--compare", file, file)[2]
    (tmp_path / "small.agents.yaml").write_text("[]")
    status, _, err = routes("eval", "--set", file)
    assert (status, "no definition of bakery, garage" in err) == (2, True)
    monkeypatch.setattr(measuring, "measured", _away)
    status, _, err = routes("eval", "--set", file, "--fail-below", "0")
    assert (status, err) == (2, "could not measure: model is unavailable: away\n")


def _away(*_: Any, **__: Any) -> None:
    raise Unavailable("model", "away")


@pytest.mark.parametrize(
    "wrong",
    [
        ("eval", "--compare", "a", "b", "--save", "c"),
        ("eval", "--compare", "a"),
        ("eval", "--part", "some"),
        ("eval", "--fail-below", "2"),
        ("eval", "--learned-min", "1.1"),
        ("train",),
    ],
)
def test_wrong_usage_exits_with_2(routes: Routes, wrong: tuple[str, ...]) -> None:
    assert routes(*wrong)[0] == 2


def test_a_router_is_learned_and_measured(routes: Routes, made_set: MadeSet, tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    file, out_file = made_set(60), tmp_path / "learned.json"
    status, out, _ = routes("train", "--set", file, "--out", out_file, "--json")
    assert (status, json.loads(out)["agents"]) == (0, ["bakery", "garage"])
    status, out, _ = routes("eval", "--set", file, "--learned", out_file, "--fail-below", "0.99", "--json")
    assert (status, json.loads(out)["rows"][0]["router"]) == (0, "linear")
    changed = agent("garage", "Sells flowers.").model_dump(exclude={"endpoint"}, exclude_none=True)
    bakery = agent("bakery", "Bakes bread and rolls.").model_dump(exclude={"endpoint"}, exclude_none=True)
    (tmp_path / "other.yaml").write_text(json.dumps([bakery, changed]))
    asked = ("--agents", tmp_path / "other.yaml", "--learned", out_file)
    status, _, err = routes("eval", "--set", file, *asked)
    assert (status, "other definitions of garage" in err) == (2, True)


def test_the_row_learned_says_what_asking_less_saves_and_costs(
    routes: Routes, made_set: MadeSet, tmp_path: Path, agents: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, words = made_set(), {"bakery": "bread", "garage": "brakes"}
    write_learned(tmp_path / "l.json", learned_by_words(agents, words))
    asked = ("eval", "--set", file, "--learned", tmp_path / "l.json")
    status, out, _ = routes(*asked, "--learned-min", "0.5")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()[1:5]] == ["linear", "contract", "offline", "learned"]
    assert "learned: linear where its confidence is 0.5 or more, else offline is asked" in out
    assert "right when offline is always asked  8/12" in out

    found = json.loads(routes(*asked, "--learned-min", "0.5", "--json")[1])
    rows, learned = {row["router"]: row for row in found["rows"]}, found["learned"]
    assert (learned["at_least"], learned["model"], learned["saved"]["total"]) == (0.5, "offline", 12)
    assert 0 < learned["saved"]["saved"] == 12 - rows["learned"]["calls"]
    assert learned["saved"]["interval"] == [*wilson(learned["saved"]["saved"], 12)]
    assert learned["sure"]["total"] == learned["saved"]["saved"]
    assert learned["always"] == rows["offline"]["accuracy"]
    assert rows["learned"]["accuracy"]["right"] == learned["sure"]["right"] + learned["asked"]["right"]

    monkeypatch.setenv("ROUTER_LEARNED_MIN", "1")
    assert json.loads(routes(*asked, "--json")[1])["learned"]["at_least"] == 1
    monkeypatch.delenv("ROUTER_LEARNED_MIN")
    assert json.loads(routes(*asked, "--json")[1])["learned"]["at_least"] == 0.9


def test_without_a_linear_router_there_is_no_row_learned(routes: Routes, made_set: MadeSet) -> None:
    found = json.loads(routes("eval", "--set", made_set(), "--json")[1])
    assert found["learned"] is None
    assert [row["router"] for row in found["rows"]] == ["offline", "contract alone"]


def test_learning_without_the_library_is_one_clear_line(
    routes: Routes, made_set: MadeSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "sklearn.linear_model", None)
    status, _, err = routes("train", "--set", made_set(), "--out", "x.json")
    assert (status, err) == (1, "error: learning needs scikit-learn: pip install 'signalbox-decide[train]'\n")


def test_without_the_router_it_says_what_to_install(
    routes: Routes, made_set: MadeSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signalbox_cli.routes.find_spec", lambda _: None)
    status, _, err = routes("eval", "--set", made_set())
    assert (status, "pip install 'signalbox-cli[routes]'" in err) == (2, True)
