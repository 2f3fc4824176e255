"""An older text is made the newest again, beside a registry in memory that numbers as Confluent does."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from numbering_registry import NumberingRegistry
from signalbox.avro import parse
from signalbox.catalog import Catalog
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import RecordType
from signalbox_operations.contracts.registration import Step, plan
from signalbox_operations.contracts.registry_api import Registered
from signalbox_operations.contracts.revert_mark import says_the_same
from signalbox_operations.contracts.reverting import consider_revert, is_held_to, revert

from .conftest import CATALOG

PLACED = RecordType("shop.Placed")


def with_field(schema: dict[str, Any], name: str, **more: Any) -> dict[str, Any]:
    return {
        **schema,
        "fields": [*schema["fields"], {"name": name, "type": "string", "doc": "A text.", **more}],
    }


@pytest.fixture
def catalog(contracts: Callable[..., Catalog], placed: dict[str, Any]) -> Catalog:
    return contracts(shop__Placed=placed)


@pytest.fixture
def registry(placed: dict[str, Any]) -> NumberingRegistry:
    registry = NumberingRegistry()
    registry.register(PLACED, json.dumps(placed))
    registry.register(PLACED, json.dumps(with_field(placed, "table", default="")))
    return registry


def considered(to: int, catalog: Catalog, registry: NumberingRegistry) -> Step:
    step = consider_revert(PLACED, to, catalog, registry)
    assert isinstance(step, Step)
    return step


def test_the_text_is_registered_with_a_mark_and_says_the_same(
    catalog: Catalog, registry: NumberingRegistry
) -> None:
    step = considered(1, catalog, registry)
    assert (step.preview().change, step.preview().detail) == ("new version", "after version 2")
    assert [one.version for one in registry.live] == [1, 2]
    done = revert(step, registry)
    assert (done.version, [one.version for one in registry.live]) == (3, [1, 2, 3])
    assert says_the_same(registry.live[2].text, registry.live[0].text)
    assert json.loads(registry.live[2].text)["signalbox:repeats"] == "version 1, after version 2"
    assert parse(registry.live[2].text)
    assert registry.levels == []


def test_there_is_nothing_to_do_when_the_newest_says_the_same(
    catalog: Catalog, registry: NumberingRegistry
) -> None:
    revert(considered(1, catalog, registry), registry)
    found = consider_revert(PLACED, 1, catalog, registry)
    assert isinstance(found, Registered)
    assert found.version == 3
    (step,) = plan(catalog, registry)
    assert step.preview().detail == "version 3, which repeats version 1"


def test_the_same_text_is_made_the_newest_a_second_time(
    catalog: Catalog, registry: NumberingRegistry
) -> None:
    for to in (1, 2, 3):
        revert(considered(to, catalog, registry), registry)
    assert [one.version for one in registry.live] == [1, 2, 3, 4, 5]
    assert json.loads(registry.live[4].text)["signalbox:repeats"] == "version 3, after version 4"


def test_a_deregistered_text_comes_back_as_it_was(catalog: Catalog, registry: NumberingRegistry) -> None:
    registry.take_back(1)
    old = registry.deleted[0].text
    assert revert(considered(1, catalog, registry), registry).version == 3
    assert registry.live[-1].text == old


def test_a_rule_that_came_later_goes_without_being_asked_for(
    catalog: Catalog, registry: NumberingRegistry, placed: dict[str, Any]
) -> None:
    rule = {"name": "short", "doc": "It is short.", "expr": "this.size() < 9"}
    stricter = {"confluent:rules": [rule], "default": ""}
    registry.register(PLACED, json.dumps(with_field(placed, "table", **stricter)))
    step = considered(2, catalog, registry)
    assert is_held_to(step)
    assert [one.detail for one in step.verdict.findings] == ["rule short dropped: this.size() < 9"]


def test_a_text_that_can_not_read_its_successors_is_not_made_the_newest(
    contracts: Callable[..., Catalog], registry: NumberingRegistry, placed: dict[str, Any]
) -> None:
    for level in ("FULL_TRANSITIVE", "NONE"):  # NONE lets it be registered, and the gate passes it over
        text = CATALOG.replace("consumers: [kitchen]", f"consumers: [kitchen], compatibility: {level}")
        catalog = contracts(text, shop__Placed=placed)
        fewer = {**placed, "fields": placed["fields"][1:]}
        registry.register(PLACED, json.dumps(fewer))  # version 1 has no default for order_id
        assert not is_held_to(considered(1, catalog, registry))


def test_a_registry_that_does_not_show_it_as_the_newest_is_not_believed(
    catalog: Catalog, registry: NumberingRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, live = considered(1, catalog, registry), list(registry.live)
    monkeypatch.setattr(registry, "versions", lambda subject: live)
    with pytest.raises(ConfigurationError, match="answered version 3, but the newest version"):
        revert(step, registry)


def test_a_refusal_of_the_registry_is_the_outcome(catalog: Catalog, registry: NumberingRegistry) -> None:
    step, registry.refuses = considered(1, catalog, registry), "not now"
    done = revert(step, registry)
    assert (done.outcome, "not now" in done.detail) == ("refused", True)


def test_a_version_that_is_not_there_is_told_with_those_that_are(
    catalog: Catalog, registry: NumberingRegistry
) -> None:
    with pytest.raises(ConfigurationError, match="no version 9 to revert to; there are: 1, 2"):
        consider_revert(PLACED, 9, catalog, registry)
