"""Finding the definitions of the agents that a set names."""

from pathlib import Path

import pytest
import yaml

from signalbox.protocol.errors import ConfigurationError
from signalbox_decide.evaluation.agents import agents_beside, read_agents, require_agents
from small_cases import agent, case


def write(file: Path, value: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(value))
    return file


def definition(name: str) -> dict[str, object]:
    return agent(name, "Does something.").model_dump(exclude={"endpoint"}, exclude_none=True)


def test_a_list_of_files_may_have_patterns_single_agents_and_lists_of_them(tmp_path: Path) -> None:
    write(tmp_path / "services/a/agent.yaml", definition("a"))
    write(tmp_path / "services/b/agent.yaml", definition("b"))
    write(tmp_path / "evals/more.yaml", [definition("c"), definition("d")])
    index = write(tmp_path / "evals/set.agents.yaml", {"agents": ["../services/*/agent.yaml", "more.yaml"]})
    assert agents_beside(tmp_path / "evals/set.jsonl") == index
    assert list(read_agents([index])) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"agents": ["*.none"]}, r"no file fits \*.none"),
        ([{"id": "x"}], "entry 1: name: Field required"),
        ({"id": "x"}, "name: Field required"),
        ([definition("a"), definition("a")], "a is defined twice"),
        ("just text", "valid dictionary"),
    ],
)
def test_a_bad_file_is_told(tmp_path: Path, content: object, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        read_agents([write(tmp_path / "x.yaml", content)])


def test_a_missing_file_and_one_that_is_no_yaml_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="can't be read"):
        read_agents([tmp_path / "none.yaml"])
    (tmp_path / "x.yaml").write_text("a: [")
    with pytest.raises(ConfigurationError, match="is not YAML"):
        read_agents([tmp_path / "x.yaml"])


def test_a_candidate_without_a_definition_is_told_with_its_case() -> None:
    with pytest.raises(ConfigurationError, match="case case-1: no definition of garage"):
        require_agents([case(1)], {agent("bakery", "x").id: agent("bakery", "x")})
