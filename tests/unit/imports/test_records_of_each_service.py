"""The one import rule that is about names and not modules: a service imports only its own records."""

import ast
from enum import Enum
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

import signalbox_contracts.sdr

SERVICES = Path(__file__).resolve().parents[3] / "services"
WITHOUT_DEFINITION = {"lead_capture": {"LeadCaptured"}, "console": set[str]()}


def record_names(service: Path) -> set[str]:
    """The records that a service takes and gives, by its definition."""
    file = service / "src" / service.name / "agent.yaml"
    if not file.exists():
        return WITHOUT_DEFINITION[service.name]
    definition = yaml.safe_load(file.read_text())
    entries = definition["input"] + definition["output"]
    types = [entry if isinstance(entry, str) else entry["record_type"] for entry in entries]
    return {name.removeprefix("sdr.") for name in types}


def with_parts(names: set[str]) -> set[str]:
    """Add the records and enums that the named records are made of."""
    found: set[str] = set()
    waiting: list[Any] = [getattr(signalbox_contracts.sdr, name) for name in names]
    while waiting:
        part = waiting.pop()
        waiting.extend(get_args(part))
        if not isinstance(part, type):
            continue
        if issubclass(part, BaseModel | Enum) and part.__name__ not in found:
            found.add(part.__name__)
            fields = part.model_fields.values() if issubclass(part, BaseModel) else ()
            waiting.extend(field.annotation for field in fields)
    return found


def imported_records(service: Path) -> set[str]:
    trees = (ast.parse(file.read_text()) for file in (service / "src").rglob("*.py"))
    nodes = [node for tree in trees for node in ast.walk(tree)]
    imported = {
        alias.name
        for node in nodes
        if isinstance(node, ast.ImportFrom) and node.module == "signalbox_contracts.sdr"
        for alias in node.names
    }
    used = {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sdr"
    }
    return imported | used


@pytest.mark.parametrize(
    "service", sorted(path for path in SERVICES.iterdir() if path.is_dir()), ids=lambda p: p.name
)
def test_a_service_imports_only_the_records_that_it_takes_and_gives(service: Path) -> None:
    assert imported_records(service) <= with_parts(record_names(service))
