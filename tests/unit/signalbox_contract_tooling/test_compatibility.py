"""The verdict of `check` for the kinds of change that matter, at each kind of level."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from signalbox.catalog import Catalog
from signalbox.protocol.names import RecordType
from signalbox_operations.contracts.compatibility import judge
from signalbox_operations.contracts.verdict import Severity, Verdict, Version

from .conftest import CATALOG

Contracts = Callable[..., Catalog]
Change = Callable[[dict[str, Any]], None]
PLACED = RecordType("shop.Placed")

BASE: dict[str, Any] = {
    "type": "record",
    "name": "Placed",
    "namespace": "shop",
    "doc": "An order was placed.",
    "fields": [
        {"name": "order_id", "type": "string", "doc": "Its id."},
        {"name": "count", "type": "int", "doc": "How many.", "default": 1},
        {"name": "weight", "type": "long", "doc": "Grams."},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}, "doc": "When."},
        {
            "name": "size",
            "type": {
                "type": "enum",
                "name": "Size",
                "doc": "Size.",
                "symbols": ["BIG", "SMALL", "UNKNOWN"],
                "default": "UNKNOWN",
            },
            "doc": "Size.",
        },
        {"name": "note", "type": ["null", "string"], "doc": "A wish.", "default": None},
        {
            "name": "buyer",
            "type": [
                "null",
                {
                    "type": "record",
                    "name": "Buyer",
                    "doc": "A buyer.",
                    "fields": [
                        {"name": "email", "type": "string", "doc": "Mail.", "confluent:tags": ["PII"]},
                        {"name": "age", "type": "int", "doc": "Years.", "default": 0},
                    ],
                },
            ],
            "doc": "Who.",
            "default": None,
        },
        {
            "name": "lines",
            "type": {
                "type": "array",
                "items": {
                    "type": "record",
                    "name": "Line",
                    "doc": "A line.",
                    "fields": [
                        {"name": "price", "type": "double", "doc": "Euro."},
                        {"name": "article", "type": "string", "doc": "What."},
                    ],
                },
            },
            "doc": "Lines.",
            "confluent:rules": [{"name": "some", "doc": "At least one.", "expr": "size(this) > 0"}],
        },
    ],
}


def at(schema: dict[str, Any], name: str) -> dict[str, Any]:
    return next(field for field in schema["fields"] if field["name"] == name)


def add(field: dict[str, Any]) -> Change:
    return lambda schema: schema["fields"].append({"doc": "New.", **field})


def drop(name: str) -> Change:
    return lambda schema: schema["fields"].remove(at(schema, name))


def put(field: str, /, **properties: Any) -> Change:
    return lambda schema: at(schema, field).update(properties)


def inside(name: str, change: Change, *path: Any) -> Change:
    def changed(schema: dict[str, Any]) -> None:
        inner: Any = at(schema, name)["type"]
        for step in path:
            inner = inner[step]
        change(inner)

    return changed


def reorder(schema: dict[str, Any]) -> None:
    schema["fields"].reverse()


def symbols(*names: str, default: str | None = "UNKNOWN") -> Change:
    def changed(enum: dict[str, Any]) -> None:
        enum["symbols"] = list(names)
        enum.pop("default")
        if default:
            enum["default"] = default

    return inside("size", changed)


B, F, FULL, NONE = "BACKWARD", "FORWARD", "FULL", "NONE"
SAFE = {B, F, FULL, NONE}
NEW_TEXT = {"name": "new_text", "type": "string"}

MATRIX: dict[str, tuple[Change, set[str]]] = {
    "an optional field is added": (add({"name": "extra", "type": ["null", "int"], "default": None}), SAFE),
    "a field without a default is added": (add(NEW_TEXT), {F, NONE}),
    "a field with a default is removed": (drop("note"), SAFE),
    "a field without a default is removed": (drop("order_id"), {B, NONE}),
    "a field is renamed": (put("order_id", name="id"), {NONE}),
    "a field is renamed with an alias": (put("order_id", name="id", aliases=["order_id"]), {B, NONE}),
    "a field's type is widened": (put("count", type="long"), {B, NONE}),
    "a field's type is narrowed": (put("weight", type="int"), {F, NONE}),
    "a field's type is another": (put("count", type="string", default=""), {NONE}),
    "fields are reordered": (reorder, SAFE),
    "a default is changed": (put("count", default=2), SAFE),
    "an enum gets a symbol": (symbols("BIG", "SMALL", "HUGE", "UNKNOWN"), SAFE),
    "an enum loses a symbol": (symbols("BIG", "UNKNOWN"), SAFE),
    "an enum loses its default": (symbols("BIG", "SMALL", "UNKNOWN", default=None), {NONE}),
    "a union is widened": (put("note", type=["null", "string", "int"]), {B, NONE}),
    "a union is narrowed": (put("note", type="string", default=""), {F, NONE}),
    "a logical type is added": (
        put("weight", type={"type": "long", "logicalType": "timestamp-millis"}),
        {NONE},
    ),
    "a logical type is removed": (put("at", type="long"), {NONE}),
    "a logical type is another": (
        put("at", type={"type": "long", "logicalType": "timestamp-micros"}),
        {NONE},
    ),
    "a nested record gets a field": (inside("buyer", add(NEW_TEXT), 1), {F, NONE}),
    "a nested record in an array loses a field": (inside("lines", drop("price"), "items"), {B, NONE}),
    "a nested record is renamed": (inside("lines", lambda r: r.update(name="Row"), "items"), {NONE}),
    "a doc is changed": (put("count", doc="Number of pieces."), SAFE),
    "a rule is added": (
        put("count", **{"confluent:rules": [{"name": "n", "doc": "N.", "expr": "this > 0"}]}),
        SAFE,
    ),
    "a rule is dropped": (put("lines", **{"confluent:rules": []}), set()),
    "a tag is dropped": (inside("buyer", lambda r: at(r, "email").pop("confluent:tags"), 1), SAFE),
}


def changed(change: Change) -> str:
    schema = copy.deepcopy(BASE)
    change(schema)
    return json.dumps(schema)


def verdict(contracts: Contracts, change: Change, level: str = "FULL_TRANSITIVE", **options: bool) -> Verdict:
    catalog = contracts(CATALOG.replace("owner: shop", f"owner: shop, compatibility: {level}"))
    return judge(PLACED, changed(change), [Version("version 1", json.dumps(BASE))], catalog, **options)


@pytest.mark.parametrize("level", [B, F, FULL, NONE])
@pytest.mark.parametrize("kind", MATRIX)
def test_a_change_is_judged_as_its_level_demands(kind: str, level: str, contracts: Contracts) -> None:
    change, allowed_at = MATRIX[kind]
    judged = verdict(contracts, change, level)
    assert judged.compatible == (level in allowed_at), judged


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("a nested record gets a field", "buyer.new_text"),
        ("a nested record in an array loses a field", "lines[].price"),
        ("a nested record is renamed", "lines[]"),
        ("a union is narrowed", "note"),
        ("a logical type is added", "weight"),
        ("an enum loses its default", "size"),
        ("a field without a default is removed", "order_id"),
    ],
)
def test_a_break_names_the_path_inside_the_record_and_who_bears_it(
    kind: str, path: str, contracts: Contracts
) -> None:
    broken = [one for one in verdict(contracts, MATRIX[kind][0]).findings if one.severity is Severity.BREAKS]
    assert {one.path for one in broken} == {path}
    assert all("reader kitchen" in one.affects for one in broken)


def test_dropping_a_rule_is_allowed_when_it_is_said(contracts: Contracts) -> None:
    change = MATRIX["a rule is dropped"][0]
    assert not verdict(contracts, change).compatible
    assert verdict(contracts, change, drop_rules=True).compatible


def test_a_change_of_docs_alone_is_told_as_such(contracts: Contracts) -> None:
    assert verdict(contracts, MATRIX["a doc is changed"][0]).status == "doc only"


def test_the_same_contract_in_another_layout_is_unchanged(contracts: Contracts) -> None:
    again = [Version("version 1", json.dumps(BASE, indent=7))]
    assert judge(PLACED, json.dumps(BASE), again, contracts()).status == "unchanged"


def test_a_stricter_rule_is_a_warning_that_says_when_it_takes_effect(contracts: Contracts) -> None:
    stricter = [{"name": "some", "doc": "At least two.", "expr": "size(this) > 1"}]
    (finding,) = verdict(contracts, put("lines", **{"confluent:rules": stricter})).findings
    assert finding.severity is Severity.WARNS
    assert "in flight" in finding.hint


def test_a_transitive_level_holds_all_earlier_versions_against_a_change(contracts: Contracts) -> None:
    first, second = changed(drop("count")), changed(drop("order_id"))
    earlier = [Version("version 1", first), Version("version 2", second)]
    new = changed(lambda schema: (drop("count")(schema), drop("order_id")(schema)))  # type: ignore[func-returns-value]
    catalogs = {
        level: contracts(CATALOG.replace("owner: shop", f"owner: shop, compatibility: {level}"))
        for level in ("FORWARD", "FORWARD_TRANSITIVE")
    }
    assert judge(PLACED, new, earlier, catalogs["FORWARD"]).compatible
    assert not judge(PLACED, new, earlier, catalogs["FORWARD_TRANSITIVE"]).compatible


def test_a_contract_without_earlier_versions_is_new(contracts: Contracts) -> None:
    judged = judge(PLACED, json.dumps(BASE), [], contracts())
    assert (judged.status, judged.compatible) == ("new", True)


@pytest.mark.parametrize("level", [F, NONE])
def test_a_version_that_the_gate_would_pass_over_is_warned_of_where_the_level_allows_it(
    level: str, contracts: Contracts
) -> None:
    judged = verdict(contracts, add(NEW_TEXT), level)
    (warning,) = [finding for finding in judged.findings if finding.kind == "gate"]
    assert (judged.compatible, warning.severity, warning.path) == (True, Severity.WARNS, "new_text")
    assert "goes on with the version before" in warning.hint


def test_a_change_is_warned_of_when_the_gate_could_not_read_an_older_version_than_the_level_asks_for(
    contracts: Contracts,
) -> None:
    catalog = contracts(CATALOG.replace("owner: shop", "owner: shop, compatibility: BACKWARD"))
    with_default = changed(add({**NEW_TEXT, "default": ""}))
    earlier = [Version("version 1", json.dumps(BASE)), Version("version 2", with_default)]
    judged = judge(PLACED, changed(add(NEW_TEXT)), earlier, catalog)
    (warning,) = [finding for finding in judged.findings if finding.kind == "gate"]
    assert (judged.compatible, warning.severity, warning.against) == (True, Severity.WARNS, "version 1")


def test_what_avro_has_said_already_is_not_said_again_for_the_gate(contracts: Contracts) -> None:
    judged = verdict(contracts, add(NEW_TEXT), B)
    assert {finding.kind for finding in judged.findings if finding.severity is Severity.BREAKS} == {
        "backward"
    }


def test_a_rule_that_does_not_compile_breaks_at_every_level(contracts: Contracts) -> None:
    broken = put("count", **{"confluent:rules": [{"name": "n", "doc": "N.", "expr": "this >"}]})
    for level in (NONE, FULL):
        judged = verdict(contracts, broken, level)
        assert not judged.compatible
        assert any("never adopt it" in finding.detail for finding in judged.findings)


@pytest.mark.parametrize(
    "unusable",
    [
        {**BASE, "x-notes": "n" * 128 * 1024},
        {**BASE, "fields": [{"name": "more", "type": "shop.Placed", "doc": "More."}]},
        {**BASE, "fields": [{"name": "none", "type": {"type": "array", "items": "null"}, "doc": "None."}]},
        {**BASE, "fields": [{"name": "n", "type": "int", "doc": "N.", "default": "many"}]},
    ],
    ids=["too long", "recursive", "items without width", "a default of another type"],
)
def test_a_first_version_that_the_gate_would_never_adopt_is_refused(
    unusable: dict[str, Any], contracts: Contracts
) -> None:
    verdict = judge(PLACED, json.dumps(unusable), (), contracts(shop__Placed=BASE))
    assert not verdict.compatible
    assert "the gate would never adopt it" in verdict.findings[0].detail
