import json
from typing import Any

import pytest

from signalbox.avro import parse
from signalbox.protocol.errors import Refusal
from signalbox.protocol.reasons import Reason


def record(*fields: dict[str, Any], name: str = "R") -> dict[str, Any]:
    return {"type": "record", "name": name, "namespace": "t", "fields": list(fields)}


def field(kind: Any, name: str = "f") -> dict[str, Any]:
    return {"name": name, "type": kind}


def nested(levels: int) -> Any:
    kind: Any = "int"
    for _ in range(levels):
        kind = {"type": "array", "items": kind}
    return kind


def laughs(leaf: Any) -> dict[str, Any]:
    """Thirty records, each with the one before it twice: small to write, 2**30 values in one datum."""
    fields = [field(record(field(leaf), name="T0"), "t0")]
    for level in range(1, 30):
        before = f"t.T{level - 1}"
        fields.append(field(record(field(before, "a"), field(before, "b"), name=f"T{level}"), f"t{level}"))
    return record(*fields)


UNSAFE = {
    "recursive": record(field(["null", "t.R"])),
    "recursive through an array": record(field({"type": "array", "items": "R"})),
    "recursive in two steps": record(field(record(field(["null", "t.R"]), name="Inner"))),
    "array of nulls": record(field({"type": "array", "items": "null"})),
    "map of nulls": record(field({"type": "map", "values": "null"})),
    "array of empty records": record(field({"type": "array", "items": record(name="Empty")})),
    "array of records of nulls": record(
        field({"type": "array", "items": record(field("null"), field("null", "g"), name="Nulls")})
    ),
    "array of fixed of no bytes": record(
        field({"type": "array", "items": {"type": "fixed", "name": "No", "size": 0}})
    ),
    "deeper than 32": record(field(nested(32))),
    "a billion laughs": laughs("boolean"),
    "a billion nulls": laughs("null"),
    "ten thousand fields": record(*(field("int", f"f{index}") for index in range(10_000))),
    "no JSON": "{",
    "a hundred thousand brackets": "[" * 100_000,
    "ten thousand brackets": '{"type":' * 10_000,
    "a million characters": '"' + "x" * 1_000_000 + '"',
    "unterminated texts": '\\"' * 60_000,
    "a number of many digits": '{"type":"fixed","name":"F","size":' + "9" * 5000 + "}",
    "a number": "5",
    "null": "null_",
    "a type that is not declared": record(field("t.Unknown")),
    "a name declared twice": record(field(record(name="R"))),
    "a name that is none": record(name="R; DROP"),
    "a field twice": record(field("int"), field("int")),
    "a field without type": record({"name": "f"}),
    "fields that are none": {"type": "record", "name": "R", "fields": {"f": "int"}},
    "an enum without symbols": record(field({"type": "enum", "name": "E", "symbols": []})),
    "an enum with a symbol twice": record(field({"type": "enum", "name": "E", "symbols": ["A", "A"]})),
    "an enum with numbers": record(field({"type": "enum", "name": "E", "symbols": [1]})),
    "an enum default that is no symbol": record(
        field({"type": "enum", "name": "E", "symbols": ["A"], "default": "B"})
    ),
    "a fixed type of negative size": record(field({"type": "fixed", "name": "F", "size": -1})),
    "a fixed type of true size": record(field({"type": "fixed", "name": "F", "size": True})),
    "a union in a union": record(field(["int", ["string"]])),
    "a union of the same twice": record(field(["int", "int"])),
    "an empty union": record(field([])),
    "an array of nothing": record(field({"type": "array"})),
    "a JSON schema": {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"},
}


@pytest.mark.parametrize("text", UNSAFE.values(), ids=UNSAFE)
def test_a_schema_that_could_hurt_a_decoder_is_unsafe(text: Any) -> None:
    with pytest.raises(Refusal) as caught:
        parse(text if isinstance(text, str) else json.dumps(text))
    assert caught.value.reason is Reason.UNSAFE_SCHEMA


@pytest.mark.parametrize(
    "schema",
    [
        record(field(nested(31))),
        record(field("null"), field(record(name="Empty"), "g")),
        record(field(record(field("int"), name="A"), "a"), field("A", "b"), field(["null", "t.A"], "c")),
        record(field({"type": "long", "logicalType": "timestamp-millis"})),
        record(field({"type": "string", "logicalType": "timestamp-millis"})),
        record(field({"type": "bytes", "logicalType": "decimal", "precision": -4})),
        record(field({"type": {"type": "string"}})),
    ],
)
def test_a_schema_that_is_only_unusual_is_safe(schema: dict[str, Any]) -> None:
    assert parse(json.dumps(schema)).name == "t.R"


def test_a_name_belongs_to_the_namespace_around_it() -> None:
    inner = {"type": "enum", "name": "E", "symbols": ["A"]}
    outer = {
        "type": "record",
        "name": "a.b.R",
        "namespace": "ignored",
        "fields": [field(inner), field("E", "g")],
    }
    root = parse(json.dumps(outer)).root
    assert [each.type.name for each in root.fields] == ["a.b.E", "a.b.E"]  # type: ignore[union-attr]


def test_what_is_no_record_has_no_name() -> None:
    assert parse('"string"').name == parse("string").name == ""
    assert parse('{"type": "enum", "name": "t.E", "symbols": ["A"]}').name == ""


def test_the_place_of_what_is_unsafe_is_told() -> None:
    bad = record(field(record(field({"type": "array", "items": "null"}, "deep"), name="Inner"), "outer"))
    with pytest.raises(Refusal) as caught:
        parse(json.dumps(bad))
    assert caught.value.field == "outer.deep[]"
