"""The verdict of `check` at each compatibility level for each kind of change, beside the registry's own.

A row has seven marks, one a level, in the order of LEVELS: ``+`` may be registered, ``-`` is refused. Where
the registry's verdict is another, it stands in a second row with the reason. The one is asked by the command,
the other over HTTP, as people do: one contract a kind of change, all in one development registry.
"""

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
import yaml
from typer.testing import CliRunner

from signalbox_cli.contracts import app
from signalbox_operations.contracts.earlier import InRegistry

from .conftest import running_registry

LEVELS: Final = (
    "NONE",
    "BACKWARD",
    "BACKWARD_TRANSITIVE",
    "FORWARD",
    "FORWARD_TRANSITIVE",
    "FULL",
    "FULL_TRANSITIVE",
)
RULE: Final = {"name": "positive", "doc": "It is positive.", "expr": "this > 0"}
STRICTER: Final = {**RULE, "expr": "this > 10"}

Schema = dict[str, Any]
Change = Callable[[Schema], None]

BASE: Final[Schema] = {
    "type": "record",
    "name": "Placed",
    "namespace": "shop",
    "doc": "An order was placed.",
    "fields": [
        {"name": "order_id", "type": "string", "doc": "Its id."},
        {"name": "count", "type": "int", "doc": "How many.", "default": 1, "confluent:rules": [RULE]},
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
        {
            "name": "colour",
            "type": {"type": "enum", "name": "Colour", "doc": "Colour.", "symbols": ["RED", "BLUE"]},
            "doc": "Colour.",
        },
        {"name": "note", "type": ["null", "string"], "doc": "A wish.", "default": None},
        {"name": "token", "type": {"type": "fixed", "name": "Token", "size": 4}, "doc": "Token."},
        {
            "name": "buyer",
            "type": {
                "type": "record",
                "name": "Buyer",
                "doc": "A buyer.",
                "fields": [
                    {"name": "email", "type": "string", "doc": "Mail.", "confluent:tags": ["PII"]},
                    {"name": "age", "type": "int", "doc": "Years.", "default": 0},
                ],
            },
            "doc": "Who.",
        },
        {"name": "tags", "type": {"type": "array", "items": "string"}, "doc": "Tags.", "default": []},
    ],
}


def field(schema: Schema, name: str) -> Schema:
    return next(one for one in schema["fields"] if one["name"] == name)


def add(**properties: Any) -> Change:
    return lambda schema: schema["fields"].append({"doc": "New.", **properties})


def drop(name: str) -> Change:
    return lambda schema: schema["fields"].remove(field(schema, name))


def put(of: str, /, **properties: Any) -> Change:
    return lambda schema: field(schema, of).update(properties)


def typed(of: str, **properties: Any) -> Change:
    """Change properties of a field's type; ... removes one."""

    def change(schema: Schema) -> None:
        inner = field(schema, of)["type"]
        inner.update(properties)
        for name in [name for name, value in inner.items() if value is ...]:
            del inner[name]

    return change


def inside(of: str, change: Change) -> Change:
    return lambda schema: change(field(schema, of)["type"])


def reorder(schema: Schema) -> None:
    schema["fields"].reverse()


def untag(schema: Schema) -> None:
    field(schema, "email").pop("confluent:tags")


def nothing(_: Schema) -> None:
    pass


@dataclass(frozen=True)
class Row:
    """A change to the newest of the earlier versions, which are BASE and what ``history`` made of it."""

    change: Change
    check: str
    registry: str = ""
    why: str = ""
    history: tuple[Change, ...] = ()


_LOGICAL: Final = "Avro reads the bytes all the same, but a decoder turns them into another value."
_ENUM_DEFAULT: Final = (
    "Both still know the same symbols; the next one that is added would break every reader."
)
_RULES: Final = "Registries carry rules as properties and do not look at them; --drop-rules says it is meant."
_GATE: Final = "Legal Avro that the gate never adopts: a decoder could be crashed, or a rule not be run."

ROWS: Final[dict[str, Row]] = {
    "nothing": Row(nothing, "+++++++"),
    "a field with a default is added": Row(add(name="extra", type=["null", "int"], default=None), "+++++++"),
    "a field without a default is added": Row(add(name="extra", type="string"), "+--++--"),
    "a field with a default is removed": Row(drop("note"), "+++++++"),
    "a field without a default is removed": Row(drop("order_id"), "+++----"),
    "a field is renamed": Row(put("order_id", name="id"), "+------"),
    "a field is renamed with an alias": Row(put("order_id", name="id", aliases=["order_id"]), "+++----"),
    "an alias is added": Row(put("order_id", aliases=["id"]), "+++++++"),
    "a type is widened": Row(put("count", type="long"), "+++----"),
    "a type is narrowed": Row(put("weight", type="int"), "+--++--"),
    "a type is another": Row(put("order_id", type="int"), "+------"),
    "a string becomes bytes": Row(put("order_id", type="bytes"), "+++++++"),
    "fields are reordered": Row(reorder, "+++++++"),
    "a default is another": Row(put("count", default=2), "+++++++"),
    "a default is removed": Row(lambda schema: field(schema, "count").pop("default"), "+++++++"),
    "a doc is another": Row(put("count", doc="Number of pieces."), "+++++++"),
    "an enum with a default gets a symbol": Row(
        typed("size", symbols=["BIG", "SMALL", "HUGE", "UNKNOWN"]), "+++++++"
    ),
    "an enum with a default loses a symbol": Row(typed("size", symbols=["BIG", "UNKNOWN"]), "+++++++"),
    "an enum without a default gets a symbol": Row(
        typed("colour", symbols=["RED", "BLUE", "GREEN"]), "+++----"
    ),
    "an enum without a default loses a symbol": Row(typed("colour", symbols=["RED"]), "+--++--"),
    "an enum's symbols are reordered": Row(typed("size", symbols=["UNKNOWN", "SMALL", "BIG"]), "+++++++"),
    "an enum loses its default": Row(typed("size", default=...), "+------", "+++++++", _ENUM_DEFAULT),
    "an enum gets a default": Row(typed("colour", default="RED"), "+++++++"),
    "an enum is renamed": Row(typed("size", name="Extent"), "+------"),
    "a union is widened": Row(put("note", type=["null", "string", "int"]), "+++----"),
    "a union is narrowed": Row(put("note", type="string", default=""), "+--++--"),
    "a type becomes optional": Row(put("order_id", type=["null", "string"], default=None), "+++----"),
    "a logical type is added": Row(
        put("weight", type={"type": "long", "logicalType": "timestamp-millis"}),
        "+------",
        "+++++++",
        _LOGICAL,
    ),
    "a logical type is removed": Row(typed("at", logicalType=...), "+------", "+++++++", _LOGICAL),
    "a logical type is another": Row(
        typed("at", logicalType="timestamp-micros"), "+------", "+++++++", _LOGICAL
    ),
    "a fixed is larger": Row(typed("token", size=8), "+------"),
    "an array's items are another": Row(typed("tags", items="int"), "+------"),
    "a nested record gets a field without a default": Row(
        inside("buyer", add(name="zip", type="string")), "+--++--"
    ),
    "a nested record loses a field with a default": Row(inside("buyer", drop("age")), "+++++++"),
    "a nested record loses a field without a default": Row(inside("buyer", drop("email")), "+++----"),
    "a nested record is renamed": Row(typed("buyer", name="Customer"), "+------"),
    "a nested record is renamed with an alias": Row(
        typed("buyer", name="Customer", aliases=["shop.Buyer"]), "+++----"
    ),
    "a rule is added": Row(put("weight", **{"confluent:rules": [RULE]}), "+++++++"),
    "a rule is stricter": Row(put("count", **{"confluent:rules": [STRICTER]}), "+++++++"),
    "a rule is dropped": Row(put("count", **{"confluent:rules": []}), "-------", "+++++++", _RULES),
    "a tag is dropped": Row(inside("buyer", untag), "+++++++"),
    "a union's branches are reordered": Row(put("note", type=["string", "null"], default=""), "+++++++"),
    "a record becomes recursive": Row(
        add(name="next", type=["null", "@self"], default=None), "-------", "+++++++", _GATE
    ),
    "an array's items get no width": Row(
        put("tags", type={"type": "array", "items": "null"}), "-------", "+------", _GATE
    ),
    "a rule is no CEL": Row(
        put("count", **{"confluent:rules": [{**RULE, "expr": "this >"}]}), "-------", "+++++++", _GATE
    ),
    "a field comes back with another type": Row(
        add(name="note", type="int", default=0), "++-+-+-", history=(drop("note"),)
    ),
    "a field without a default comes back": Row(
        add(name="order_id", type="string"), "+--++--", history=(drop("order_id"),)
    ),
}
NAMES: Final = {kind: f"shop.Case{number:02}" for number, kind in enumerate(ROWS)}


def versions(kind: str) -> list[Schema]:
    """Return the earlier versions, oldest first, and the changed one last."""
    made = [copy.deepcopy(BASE)]
    made[0]["name"] = NAMES[kind].removeprefix("shop.")
    for change in (*ROWS[kind].history, ROWS[kind].change):
        made.append(copy.deepcopy(made[-1]))
        change(made[-1])
    own = json.dumps(made).replace("@self", NAMES[kind])
    return list(json.loads(own))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """A registry that holds the earlier versions of each kind's contract."""
    with running_registry(tmp_path_factory.mktemp("registry")) as url, httpx2.Client(base_url=url) as client:
        client.put("/config", json={"compatibility": "NONE"}).raise_for_status()
        for kind, name in NAMES.items():
            for schema in versions(kind)[:-1]:
                body = {"schema": json.dumps(schema)}
                client.post(f"/subjects/{name}/versions", json=body).raise_for_status()
        yield client


@pytest.fixture(scope="module")
def contracts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Contracts in which each kind's change was made."""
    folder = tmp_path_factory.mktemp("contracts")
    (folder / "avro" / "shop").mkdir(parents=True)
    for kind, name in NAMES.items():
        path = folder / "avro" / "shop" / f"{name.removeprefix('shop.')}.avsc"
        path.write_text(json.dumps(versions(kind)[-1]), encoding="utf-8")
    return folder


@pytest.fixture(scope="module", params=LEVELS)
def verdicts(
    request: pytest.FixtureRequest, registry: httpx2.Client, contracts: Path
) -> tuple[str, dict[str, bool], dict[str, bool]]:
    """The level, and what `check` and the registry say at it of each kind of change."""
    level = str(request.param)
    registry.put("/config", json={"compatibility": level}).raise_for_status()
    catalog = {
        "version": 1,
        "namespaces": {"shop": "Orders."},
        "compatibility": level,
        "records": {name: {"doc": kind, "owner": "shop"} for kind, name in NAMES.items()},
        "topics": {"orders": {"partitions": 1, "admits": [*NAMES.values()]}},
    }
    (contracts / "catalog.yaml").write_text(yaml.safe_dump(catalog), encoding="utf-8")
    return level, _checked(registry, contracts), {kind: _registrable(registry, kind) for kind in ROWS}


def _unasked(_: InRegistry) -> None:
    """Stand for a broker that is away, without the wait for it."""


def _checked(registry: httpx2.Client, contracts: Path) -> dict[str, bool]:
    arguments = ["check", "--against", f"registry:{registry.base_url}", "--json"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InRegistry, "fleet", _unasked)
        result = CliRunner().invoke(app, [*arguments, "--catalog", str(contracts / "catalog.yaml")])
    found = {verdict["record_type"]: verdict["compatible"] for verdict in json.loads(result.stdout)}
    return {kind: found[name] for kind, name in NAMES.items()}


def _registrable(registry: httpx2.Client, kind: str) -> bool:
    body = {"schema": json.dumps(versions(kind)[-1])}
    answer = registry.post(f"/compatibility/subjects/{NAMES[kind]}/versions", json=body)
    return bool(answer.raise_for_status().json()["is_compatible"])


@pytest.mark.parametrize("kind", ROWS)
def test_check_judges_a_change_as_its_row_says(
    kind: str, verdicts: tuple[str, dict[str, bool], dict[str, bool]]
) -> None:
    level, checked, _ = verdicts
    assert checked[kind] == (ROWS[kind].check[LEVELS.index(level)] == "+")


@pytest.mark.parametrize("kind", ROWS)
def test_the_registry_judges_a_change_as_its_row_says(
    kind: str, verdicts: tuple[str, dict[str, bool], dict[str, bool]]
) -> None:
    level, _, registrable = verdicts
    row = ROWS[kind]
    assert registrable[kind] == ((row.registry or row.check)[LEVELS.index(level)] == "+")


@pytest.mark.parametrize("kind", ROWS)
def test_where_the_two_differ_the_row_says_why_and_check_is_the_stricter(kind: str) -> None:
    row = ROWS[kind]
    assert bool(row.registry) == bool(row.why)
    assert all(not (mine == "+" and its == "-") for mine, its in zip(row.check, row.registry, strict=False))
