"""Two agents, cases about them, and files that hold both."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.names import AgentId
from small_cases import agent, line


@pytest.fixture
def agents() -> dict[AgentId, AgentDefinition]:
    both = (agent("bakery", "Bakes bread and rolls."), agent("garage", "Mends engines and brakes."))
    return {one.id: one for one in both}


@pytest.fixture
def made_set(tmp_path: Path, agents: dict[AgentId, AgentDefinition]) -> Callable[..., Path]:
    """Write a set and its agents; each third case is held out."""

    def make(count: int = 30) -> Path:
        file = tmp_path / "small.jsonl"
        lines = [line(n, split="held_out" if n // 3 % 3 == 0 else "train") for n in range(count)]
        file.write_text("".join(json.dumps(one) + "\n" for one in lines))
        said = [one.model_dump(exclude={"endpoint"}, exclude_none=True) for one in agents.values()]
        (tmp_path / "small.agents.yaml").write_text(yaml.safe_dump(said))
        return file

    return make
