"""A bakery and a garage, and small cases about them, for the tests of measured routing."""

from collections.abc import Mapping
from typing import Any

from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.names import AgentId
from signalbox_decide.evaluation.cases import Case
from signalbox_decide.learned import LearnedFile, definition_digest
from signalbox_decide.text_features import SIZE, features


def agent(name: str, description: str) -> AgentDefinition:
    return AgentDefinition.model_validate(
        {"id": name, "name": name, "description": description, "input": ["a.B"], "output": ["a.C"]}
    )


def line(number: int = 1, **changed: Any) -> dict[str, Any]:
    """Make a case's fields: by its number about bread, engines, or neither."""
    text, label = (("two loaves of bread", "bakery"), ("brakes and engines", "garage"), ("hello", "NONE"))[
        number % 3
    ]
    fields = {
        "id": f"case-{number}",
        "split": "train",
        "domain": "a",
        "record_type": "a.B",
        "record": {"text": f"{text} {number}"},
        "candidates": ["bakery", "garage"],
        "label": label,
        "why": "It says so.",
    }
    return fields | changed


def case(number: int = 1, **changed: Any) -> Case:
    return Case.model_validate(line(number, **changed))


def learned_by_words(
    agents: Mapping[AgentId, AgentDefinition], words: dict[str, str], temperature: float = 1.0
) -> LearnedFile:
    """Make a learned router by hand: each agent's word speaks for it."""
    rows = [[0.0] * SIZE for _ in range(len(agents) + 1)]
    for row, name in zip(rows, agents, strict=False):
        for index, value in features(words[name]).items():
            row[index] = 5 * value
    return LearnedFile(
        version=1,
        features_version=1,
        agents={name: definition_digest(one) for name, one in agents.items()},
        classes=(*agents, "NONE"),
        bias=(0.0, 0.0, 1.0),
        weights=tuple(map(tuple, rows)),
        temperature=temperature,
        cases=2,
    )
