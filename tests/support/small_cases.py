"""A bakery and a garage, and small cases about them, for the tests of measured routing."""

from typing import Any

from signalbox.protocol.agent_definition import AgentDefinition
from signalbox_decide.evaluation.cases import Case


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
