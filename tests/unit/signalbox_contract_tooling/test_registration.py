"""What registering says before and after, beside a registry in memory that numbers as Confluent does."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from numbering_registry import NumberingRegistry
from signalbox.catalog import Catalog
from signalbox_operations.contracts.registration import apply, plan


def with_field(schema: dict[str, Any], name: str) -> dict[str, Any]:
    field = {"name": name, "type": ["null", "string"], "doc": "A text.", "default": None}
    return {**schema, "fields": [*schema["fields"], field]}


@pytest.fixture
def registry(placed: dict[str, Any]) -> NumberingRegistry:
    """A registry in which version 2 was taken back."""
    registry = NumberingRegistry()
    for schema in (placed, with_field(placed, "table")):
        registry.register("shop.Placed", json.dumps(schema))
    registry.take_back(2)
    return registry


def test_a_plan_promises_no_number_and_the_outcome_has_the_registrys(
    registry: NumberingRegistry, contracts: Callable[..., Catalog], placed: dict[str, Any]
) -> None:
    (step,) = plan(contracts(shop__Placed=with_field(placed, "waiter")), registry)
    assert (step.preview().change, step.preview().detail) == ("new version", "after version 1")
    done = apply(step, registry)
    assert (done.detail, done.version, done.schema_id) == ("version 3", 3, 103)


def test_a_subject_with_no_live_version_goes_on_with_the_registrys_number(
    registry: NumberingRegistry, contracts: Callable[..., Catalog], placed: dict[str, Any]
) -> None:
    registry.take_back(1)
    (step,) = plan(contracts(shop__Placed=placed), registry)
    assert (step.preview().change, step.preview().detail) == ("new subject", "no version is live")
    assert apply(step, registry).detail == "version 3"


def test_a_version_that_the_registry_does_not_show_yet_is_told_by_its_id(
    registry: NumberingRegistry,
    contracts: Callable[..., Catalog],
    placed: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (step,) = plan(contracts(shop__Placed=with_field(placed, "waiter")), registry)
    monkeypatch.setattr(registry, "lookup", lambda subject, text: None)
    assert apply(step, registry).detail == "id 103, of no live version yet"
