from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import avro.compatibility
import avro.schema
import pytest

from signalbox.avro import ParsedSchema, decode
from signalbox.avro.resolution import mismatches
from signalbox.protocol.errors import Refusal
from signalbox.protocol.reasons import Reason

Schema = Callable[..., ParsedSchema]
FIXED = {"type": "fixed", "name": "F", "size": 2}
TIME = {"type": "long", "logicalType": "timestamp-millis"}


def enum(*symbols: str, **more: Any) -> dict[str, Any]:
    return {"type": "enum", "name": "E", "symbols": symbols, **more}


def inner(*fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": "I", "fields": list(fields)}


PAIRS: list[tuple[Any, Any, bool]] = [
    ("int", "int", True),
    ("int", "long", True),
    ("int", "double", True),
    ("long", "int", False),
    ("double", "float", False),
    ("string", "bytes", True),
    ("bytes", "string", True),
    ("string", "int", False),
    ("int", ["null", "int"], True),
    (["null", "int"], "int", False),
    (["null", "int"], ["int", "null"], True),
    (["null", "int", "string"], ["null", "int"], False),
    (["int"], "long", True),
    (enum("A"), enum("A", "B"), True),
    (enum("A", "B"), enum("A"), False),
    (enum("A", "B"), enum("A", default="A"), True),
    (FIXED, {**FIXED, "size": 3}, False),
    (FIXED, {**FIXED, "name": "G"}, False),
    (FIXED, {**FIXED, "name": "G", "aliases": ["t.F"]}, True),
    ({"type": "array", "items": "int"}, {"type": "array", "items": "long"}, True),
    ({"type": "array", "items": "long"}, {"type": "array", "items": "int"}, False),
    ({"type": "map", "values": "int"}, {"type": "array", "items": "int"}, False),
    (inner(), inner({"name": "x", "type": "int"}), False),
    (inner(), inner({"name": "x", "type": "int", "default": 1}), True),
    (inner({"name": "x", "type": "int"}), inner(), True),
    (
        inner({"name": "x", "type": "int"}),
        inner({"name": "y", "type": "int", "aliases": ["x"]}),
        True,
    ),
    (inner(), enum("A") | {"name": "I"}, False),
]


@pytest.mark.parametrize(("writer", "reader", "readable"), PAIRS)
def test_the_verdict_is_apache_avros(schema: Schema, writer: Any, reader: Any, readable: bool) -> None:
    ours = mismatches(schema(a=writer), schema(a=reader))
    theirs = avro.compatibility.ReaderWriterCompatibilityChecker().get_compatibility(
        avro.schema.parse(schema(a=reader).text), avro.schema.parse(schema(a=writer).text)
    )
    compatible = theirs.compatibility is avro.compatibility.SchemaCompatibilityType.compatible
    assert (not ours, compatible) == (readable, readable), ours


STRICTER: list[tuple[Any, Any]] = [
    ("long", TIME),
    (TIME, "long"),
    (TIME, {**TIME, "logicalType": "timestamp-micros"}),
    (
        {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2},
        {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 1},
    ),
    (
        inner({"name": "x", "type": "int"}, {"name": "y", "type": "int"}),
        inner({"name": "y", "type": "int", "aliases": ["x"]}),
    ),
]


@pytest.mark.parametrize(("writer", "reader"), STRICTER)
def test_what_the_decoder_would_get_wrong_is_a_mismatch(schema: Schema, writer: Any, reader: Any) -> None:
    assert mismatches(schema(a=writer), schema(a=reader))


def test_a_mismatch_says_where_it_is(schema: Schema) -> None:
    deep = {"type": "array", "items": inner({"name": "x", "type": "string"})}
    shallow = {"type": "array", "items": inner({"name": "x", "type": "int"})}
    assert [each.path for each in mismatches(schema(a=deep), schema(a=shallow))] == ["a[].x"]


def test_a_writer_that_the_reader_cannot_read_is_incompatible_whatever_its_data(schema: Schema) -> None:
    with pytest.raises(Refusal) as caught:
        decode(b"\2\2", schema(a=["null", "int"]), schema(a="int"))
    assert (caught.value.reason, caught.value.field) == (Reason.INCOMPATIBLE, "a")


def test_bytes_that_are_no_text_are_incompatible_with_a_string(schema: Schema) -> None:
    assert decode(b"\2x", schema(a="bytes"), schema(a="string")) == {"a": "x"}
    with pytest.raises(Refusal) as caught:
        decode(b"\2\xff", schema(a="bytes"), schema(a="string"))
    assert caught.value.reason is Reason.INCOMPATIBLE


def test_an_unknown_symbol_is_read_as_the_readers_default(schema: Schema) -> None:
    reader = schema(a=enum("A", "UNKNOWN", default="UNKNOWN"))
    assert decode(b"\2", schema(a=enum("A", "NEW")), reader) == {"a": "UNKNOWN"}


DEFAULTS: list[tuple[Any, Any, Any]] = [
    ("int", 5, 5),
    ("double", 5, 5.0),
    ("bytes", "\u00ff", b"\xff"),
    (FIXED, "\u0001\u00ff", b"\x01\xff"),
    (TIME, 0, datetime(1970, 1, 1, tzinfo=UTC)),
    (["null", "string"], None, None),
    (["string", "null"], "x", "x"),
    ({"type": "array", "items": "bytes"}, ["\u00ff"], [b"\xff"]),
    ({"type": "map", "values": TIME}, {"k": 0}, {"k": datetime(1970, 1, 1, tzinfo=UTC)}),
    (inner({"name": "x", "type": TIME, "default": 0}), {}, {"x": datetime(1970, 1, 1, tzinfo=UTC)}),
    (enum("A", "B"), "B", "B"),
]


@pytest.mark.parametrize(("kind", "default", "value"), DEFAULTS)
def test_a_default_reads_like_a_value(schema: Schema, kind: Any, default: Any, value: Any) -> None:
    reader = schema({"name": "a", "type": kind, "default": default})
    assert decode(b"", schema(), reader) == {"a": value}


@pytest.mark.parametrize(
    ("kind", "default"), [("int", "x"), (TIME, 2**62), (enum("A"), "B"), ("bytes", "\u0100")]
)
def test_a_default_that_does_not_fit_makes_a_reader_unsafe(schema: Schema, kind: Any, default: Any) -> None:
    with pytest.raises(Refusal) as caught:
        decode(b"", schema(), schema({"name": "a", "type": kind, "default": default}))
    assert caught.value.reason is Reason.UNSAFE_SCHEMA
