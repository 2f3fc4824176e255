"""Reading a set: each fault is told with its line."""

import json
from pathlib import Path
from typing import Any

import pytest

from signalbox.protocol.errors import ConfigurationError
from signalbox_decide.evaluation.cases import part_of, read_cases
from small_cases import line


def read(tmp_path: Path, *lines: dict[str, Any] | str) -> Any:
    file = tmp_path / "set.jsonl"
    file.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines))
    return read_cases(file)


def test_cases_are_read_in_their_order_and_empty_lines_skipped(tmp_path: Path) -> None:
    cases = read(tmp_path, line(1), "", line(2))
    assert [case.id for case in cases] == ["case-1", "case-2"]
    assert cases[0].label == "garage"


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ("{", "set.jsonl:2: is no JSON"),
        ("[" * 100_000, "set.jsonl:2: is no JSON"),
        ("[]", "set.jsonl:2: Input should be"),
        (line(2, label="florist"), "set.jsonl:2: the label 'florist' is neither a candidate nor NONE"),
        (line(2, candidates=[]), "set.jsonl:2: candidates: "),
        (line(2, candidates=["bakery", "bakery"]), "set.jsonl:2: a candidate is named twice"),
        (line(2, split="test"), "set.jsonl:2: split: "),
        (line(2, why=""), "set.jsonl:2: why: "),
        (line(2, record="text"), "set.jsonl:2: record: "),
        (line(2, colour="red"), "set.jsonl:2: colour: "),
        ({"id": "x"}, "set.jsonl:2: split: Field required; domain: Field required"),
        (line(1), "set.jsonl:2: the id 'case-1' stands in line 1 already"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, bad: dict[str, Any] | str, told: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        read(tmp_path, line(1), bad)
    assert told in str(error.value)


def test_of_many_bad_lines_three_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as error:
        read(tmp_path, *["{"] * 9)
    assert str(error.value).splitlines()[-1] == "and 6 more lines"


def test_an_empty_a_missing_and_a_binary_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds no case"):
        read(tmp_path, "", "")
    with pytest.raises(ConfigurationError, match="can't be read"):
        read_cases(tmp_path / "none.jsonl")
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="can't be read"):
        read_cases(tmp_path / "binary.jsonl")


def test_a_part_is_its_cases_and_all_is_all(tmp_path: Path) -> None:
    cases = read(tmp_path, line(1), line(2, split="held_out"))
    assert [case.id for case in part_of(cases, "held_out")] == ["case-2"]
    assert part_of(cases, "all") == cases
    with pytest.raises(ConfigurationError, match="no case in the part 'held_out'"):
        part_of(cases[:1], "held_out")
