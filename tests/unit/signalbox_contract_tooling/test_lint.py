"""Every lint rule finds its own mistake, at its place, and nothing else."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from signalbox.avro import parse
from signalbox.catalog import Catalog
from signalbox.protocol.names import RecordType
from signalbox_operations.contracts.lint import CATALOG_RULES, SOURCE_RULES, lint
from signalbox_operations.contracts.sources import Sources

from .conftest import CATALOG

Contracts = Callable[..., Catalog]


def field(name: str, schema: Any, **properties: Any) -> dict[str, Any]:
    return {"name": name, "type": schema, "doc": "A field.", **properties}


def rule(expr: str, **properties: str) -> dict[str, str]:
    return {"name": "a_rule", "doc": "A rule.", "expr": expr, **properties}


def enum(**properties: Any) -> dict[str, Any]:
    complete = {
        "type": "enum",
        "name": "Size",
        "doc": "Size.",
        "symbols": ["BIG", "UNKNOWN"],
        "default": "UNKNOWN",
    }
    return {**complete, **properties}


def record(name: str, **types: str) -> dict[str, Any]:
    fields = [field(named, schema) for named, schema in types.items()]
    return {"type": "record", "name": name, "doc": "A part.", "fields": fields}


def fixed(name: str, size: int) -> dict[str, Any]:
    return {"type": "fixed", "name": name, "doc": "A code.", "size": size}


NOTHING = {"type": "record", "name": "Nothing", "namespace": "shop", "doc": "Empty.", "fields": []}
ONCE = {"type": "array", "items": "string"}


def nested(depth: int) -> Any:
    return {"type": "array", "items": nested(depth - 1)} if depth else "string"


MISTAKES: list[tuple[str, dict[str, Any]]] = [
    ("SB003", field("size", enum(doc=" "))),
    ("SB004", {"name": "size", "type": "int"}),
    ("SB005", field("orderSize", "int")),
    ("SB006", field("size", enum(name="size"))),
    ("SB006", field("size", enum(symbols=["Big", "UNKNOWN"]))),
    ("SB007", field("size", {key: value for key, value in enum().items() if key != "default"})),
    ("SB008", field("placed_at", "long")),
    ("SB008", field("placed_at", ["null", "string"], default=None)),
    ("SB009", field("wish", ["null", "string"])),
    ("SB009", field("wish", ["string", "null"], default="")),
    ("SB010", field("again", ["null", "shop.Placed"], default=None)),
    ("SB011", field("voids", {"type": "array", "items": "null"}, default=[])),
    ("SB011", field("voids", {"type": "array", "items": NOTHING}, default=[])),
    ("SB012", field("deep", nested(33), default=[])),
    ("SB013", field("size", "shop.Nowhere")),
    ("SB014", field("size", "int", order="sideways")),
    ("SB015", field("contact_email", "string")),
    ("SB015", field("phone_numbers", ONCE, default=[])),
    ("SB016", field("size", "int", **{"confluent:rules": [{"name": "a", "expr": "true"}]})),
    ("SB016", field("size", "int", **{"confluent:rules": [rule("true"), rule("this > 0")]})),
    ("SB017", field("size", "int", **{"confluent:rules": [rule("this >")]})),
    ("SB017", field("size", "int", **{"confluent:rules": [rule("this.matches('x')")]})),
    ("SB017", field("size", "int", **{"confluent:rules": [rule("this + 1")]})),
    ("SB018", field("size", {"type": "string", "confluent:rules": [rule("this != ''")]})),
    ("SB020", field("size", "int", default="many")),
    ("SB020", field("size", "int", default=True)),
    ("SB020", field("size", enum(), default="HUGE")),
    ("SB020", field("wish", ["string", "int"], default=1)),
    ("SB020", field("part", NOTHING, default=[])),
    ("SB020", field("codes", {"type": "array", "items": "bytes"}, default=["€"])),
    ("SB019", field("size", "int", default=0, **{"confluent:rules": [rule("this > 0")]})),
    ("SB021", field("size", enum(symbols=[*(f"SIZE_{n}" for n in range(2_500)), "UNKNOWN"]))),
    ("SB021", field("size", "int", **{"x-notes": "n" * 128 * 1024})),
    ("SB021", field("voids", {"type": "map", "values": "null"}, default={})),
    ("SB021", field("fault", {"type": "error", "name": "Fault", "doc": "Fault.", "fields": []})),
    ("SB021", field("size", "int", default=2**31 - 1, aliases="wide")),
    ("SB022", field("paid", [record("Cash", sum="int"), record("Card", sum="int")])),
    ("SB022", field("paid", [record("Cash", sum="int"), record("Card", sum="int", number="string")])),
    ("SB022", field("paid", [record("Cash", sum="int"), {"type": "map", "values": "int"}])),
    ("SB022", field("size", ["string", enum()])),
    ("SB022", field("code", [fixed("Short", 4), fixed("Long", 4)])),
    ("SB022", field("code", ["bytes", fixed("Long", 4)])),
]


def found(catalog: Catalog) -> set[str]:
    return {finding.rule for finding in lint(catalog)}


@pytest.mark.parametrize(("expected", "mistake"), MISTAKES)
def test_a_mistake_in_a_field_is_found_by_its_rule_alone(
    expected: str, mistake: dict[str, Any], contracts: Contracts, placed: dict[str, Any]
) -> None:
    placed["fields"].append(mistake)
    assert found(contracts(shop__Placed=placed)) == {expected}


@pytest.mark.parametrize(
    "good",
    [
        field("paid", [record("Cash", coins="int"), record("Card", number="string")]),
        field("code", [fixed("Short", 4), fixed("Long", 8)]),
        field("size", ["null", {**enum(), "namespace": None}], default=None),
        field("amount", ["null", "long", "double", "string"], default=None),
    ],
)
def test_what_the_gate_takes_and_can_tell_apart_has_no_findings(
    good: dict[str, Any], contracts: Contracts, placed: dict[str, Any]
) -> None:
    placed["fields"].append(good)
    catalog = contracts(shop__Placed=placed)
    assert lint(catalog) == []
    parse(Sources.load(catalog.directory / "avro").schema_text(RecordType("shop.Placed")))


def test_good_contracts_have_no_findings(contracts: Contracts, placed: dict[str, Any]) -> None:
    assert lint(contracts(shop__Placed=placed)) == []


def test_a_file_that_is_no_json_is_named_with_line_and_column(contracts: Contracts) -> None:
    catalog = contracts(catalog=CATALOG, shop__Placed='{\n  "type": "record",\n  "type": "enum"}')
    finding = next(finding for finding in lint(catalog) if finding.rule == "SB001")
    assert (finding.line, finding.column) == (3, 3)
    assert "twice" in finding.message


def test_a_finding_names_line_and_column_of_the_value(contracts: Contracts, placed: dict[str, Any]) -> None:
    placed["fields"][0]["name"] = "orderId"
    (finding,) = lint(contracts(shop__Placed=placed))
    line = contracts(shop__Placed=placed).directory.joinpath("avro/shop/Placed.avsc").read_text().splitlines()
    assert line[finding.line - 1][finding.column - 1 :].startswith('"orderId"')
    assert "order_id" in finding.hint


def test_a_file_named_differently_from_its_type_is_found(
    contracts: Contracts, placed: dict[str, Any]
) -> None:
    assert "SB002" in found(contracts(shop__Placed={**placed, "name": "Ordered"}))


def test_a_namespace_that_the_catalog_does_not_list_is_found(
    contracts: Contracts, placed: dict[str, Any]
) -> None:
    stray = {**placed, "namespace": "stray"}
    assert {"SB101", "SB103"} == found(contracts(shop__Placed=placed, stray__Placed=stray))


def test_a_catalogued_record_without_a_source_is_found_in_the_catalog(contracts: Contracts) -> None:
    catalog = contracts()
    (catalog.directory / "avro").mkdir()
    (finding,) = lint(catalog)
    assert (finding.rule, finding.line, finding.column) == ("SB102", 5, 3)
    assert finding.path.endswith("catalog.yaml")


def test_an_enum_can_be_no_message(contracts: Contracts) -> None:
    assert "SB102" in found(contracts(shop__Placed=enum(name="Placed", namespace="shop")))


def test_a_record_that_nobody_owns_is_found(contracts: Contracts, placed: dict[str, Any]) -> None:
    assert found(contracts(shop__Placed=placed, shop__Left={**placed, "name": "Left"})) == {"SB103"}


def test_a_record_that_is_part_of_another_needs_no_owner(
    contracts: Contracts, placed: dict[str, Any]
) -> None:
    part = {**placed, "name": "Part"}
    whole = {**placed, "fields": [field("part", "shop.Part")]}
    assert lint(contracts(shop__Placed=whole, shop__Part=part)) == []


def test_a_record_that_no_topic_admits_is_found(contracts: Contracts, placed: dict[str, Any]) -> None:
    catalog = CATALOG.replace("admits: [shop.Placed]", "admits: []")
    assert found(contracts(catalog, shop__Placed=placed)) == {"SB104"}


def test_a_type_of_another_namespace_is_found(contracts: Contracts, placed: dict[str, Any]) -> None:
    catalog = CATALOG.replace("{shop: Orders.}", "{shop: Orders., post: Mail.}")
    foreign = {**placed, "name": "Parcel", "namespace": "post"}
    uses = {**placed, "fields": [field("parcel", "post.Parcel")]}
    assert found(contracts(catalog, shop__Placed=uses, post__Parcel=foreign)) == {"SB105"}


def test_rule_ids_are_unique() -> None:
    ids = [one.id for one in (*SOURCE_RULES, *CATALOG_RULES)]
    assert len(ids) == len(set(ids))


def test_a_field_that_is_added_without_a_default_is_found_beside_the_generated_schemas(
    contracts: Callable[..., Catalog], placed: dict[str, Any]
) -> None:
    catalog = contracts(shop__Placed=placed)
    generated = catalog.directory / "src" / "signalbox_contracts" / "schemas"
    generated.mkdir(parents=True)
    (generated / "shop.Placed.avsc").write_text(json.dumps(placed), encoding="utf-8")
    placed["fields"].append({"name": "table", "type": "int", "doc": "Table."})
    (finding,) = lint(contracts(shop__Placed=placed))
    assert (finding.rule, finding.line) == ("SB106", _line_of(catalog, "table"))
    placed["fields"][-1]["default"] = 0
    assert lint(contracts(shop__Placed=placed)) == []


def _line_of(catalog: Catalog, name: str) -> int:
    lines = (catalog.directory / "avro" / "shop" / "Placed.avsc").read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if name in line) - 1  # the brace before it


@pytest.mark.parametrize(
    ("clients", "rule"),
    [
        ("{till: {writes: [orders]}}", None),
        ("{till: {writes: [orders], reads: [bills]}}", "SB107"),
        ("{till: {reads: [orders]}}", "SB108"),
        ("{kitchen: {reads: [orders]}}", "SB108"),
        ("{till: {writes: [orders], groups: ['']}}", "SB109"),
        ("{till: {writes: [orders], groups: [reader.]}}", "SB109"),
        ("{till: {writes: [orders], transactional_ids: ['']}}", "SB109"),
    ],
)
def test_clients_of_the_brokers_use_topics_and_groups_of_their_own(
    contracts: Contracts, placed: dict[str, Any], clients: str, rule: str | None
) -> None:
    catalog = contracts(f"{CATALOG}clients: {clients}\n", shop__Placed=placed)
    assert found(catalog) == ({rule} if rule else set())
