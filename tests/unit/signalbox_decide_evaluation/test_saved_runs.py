"""Runs are kept in files and compared."""

from pathlib import Path

import pytest

from signalbox.protocol.errors import ConfigurationError
from signalbox_decide.evaluation.answers import Answer, Run, judged
from signalbox_decide.evaluation.comparing import compare
from signalbox_decide.evaluation.saved import Saved, load, save
from small_cases import case


def a_run(*said: str, first: int = 0) -> Run:
    answers = [
        judged(case(number), Answer(said=one, reason="so")) for number, one in enumerate(said, start=first)
    ]
    return Run(name="one", model="", judged=tuple(answers))


RIGHT = ("bakery", "garage", "NONE") * 3


def saved(*runs: Run) -> Saved:
    return Saved(set_digest="s", instructions_digest="i", part="all", runs=runs)


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    save(tmp_path / "run.json", saved(a_run(*RIGHT)))
    assert load(tmp_path / "run.json") == saved(a_run(*RIGHT))


def test_a_row_is_found_by_its_name(tmp_path: Path) -> None:
    other = a_run("NONE").model_copy(update={"name": "two"})
    both = saved(a_run(*RIGHT), other)
    assert (both.row("").name, both.row("two")) == ("one", other)
    with pytest.raises(ConfigurationError, match="no row 'three'; there are: one, two"):
        both.row("three")


@pytest.mark.parametrize("content", ["", "{}", '{"version": 2}', "[1]"])
def test_another_file_is_no_saved_run(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(ConfigurationError, match="is no saved evaluation"):
        load(tmp_path / "x.json")


def test_files_that_can_not_be_read_or_written_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="can't be read"):
        load(tmp_path / "none.json")
    with pytest.raises(ConfigurationError, match="can't be written"):
        save(tmp_path / "none" / "x.json", saved())


def test_two_runs_are_compared_case_by_case() -> None:
    found = compare(a_run(*RIGHT), a_run("garage", "garage", "garage", *RIGHT[3:]))
    assert (found.first_right, found.second_right, found.only_first, found.only_second) == (9, 7, 2, 0)
    assert found.p == 0.5
    assert [one.case_id for one, _ in found.changed] == ["case-0", "case-2"]


def test_runs_over_other_cases_or_other_labels_are_not_compared() -> None:
    with pytest.raises(ConfigurationError, match="over other cases: case-0"):
        compare(a_run(*RIGHT), a_run(*RIGHT, first=1))
    relabelled = judged(case(0, label="garage"), Answer(said="garage", reason="so"))
    with pytest.raises(ConfigurationError, match="case-0: the label was bakery, and is garage"):
        compare(a_run("bakery"), Run(name="two", model="", judged=(relabelled,)))
