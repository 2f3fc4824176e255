"""Known traps: what a decoder does with such bytes, and that they are refused."""

import io
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import fastavro
import pytest

from signalbox.avro import Limits, ParsedSchema, decode, encode, unframe
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import SchemaId
from signalbox.protocol.reasons import Reason

Schema = Callable[..., ParsedSchema]


def array(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def mapping(values: Any) -> dict[str, Any]:
    return {"type": "map", "values": values}


def logical(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "logicalType": name, **more}


def enum(*symbols: str) -> dict[str, Any]:
    return {"type": "enum", "name": "E", "symbols": symbols}


def zigzag(number: int) -> bytes:
    raw = (number << 1) ^ (number >> 63)
    out = b""
    while raw > 0x7F:
        out += bytes([raw & 0x7F | 0x80])
        raw >>= 7
    return out + bytes([raw])


def refused(body: bytes, writer: ParsedSchema, reader: ParsedSchema | None = None) -> Refusal:
    with pytest.raises(Refusal) as caught:
        decode(body, writer, reader)
    return caught.value


def test_fastavro_itself_takes_trailing_bytes() -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]}
    assert fastavro.schemaless_reader(io.BytesIO(b"\2trailing"), schema, None) == {"a": 1}


def test_a_record_with_trailing_bytes_is_refused_as_malformed(schema: Schema) -> None:
    refusal = refused(b"\2trailing", schema(a="int"))
    assert refusal.reason is Reason.MALFORMED
    assert "8 bytes are left over" in refusal.detail


MALFORMED = [
    ("int", b"", "a"),
    ("int", b"\x80", "a"),
    ("int", zigzag(2**31), "a"),
    ("int", zigzag(-(2**31) - 1), "a"),
    ("long", b"\xff" * 10 + b"\1", "a"),
    ("long", b"\xff" * 9 + b"\2", "a"),
    ("boolean", b"\2", "a"),
    ("float", b"\0\0\0", "a"),
    ("double", b"\0" * 7, "a"),
    ("string", b"\1", "a"),
    ("string", b"\4x", "a"),
    ("string", zigzag(2**62), "a"),
    ("string", b"\4\xc3\x28", "a"),
    ("string", b"\6\xed\xa0\x80", "a"),
    ("bytes", b"\x01", "a"),
    ({"type": "fixed", "name": "F", "size": 4}, b"abc", "a"),
    (enum("A"), b"\2", "a"),
    (enum("A"), b"\1", "a"),
    (["null", "int"], b"\4", "a"),
    (["null", "int"], b"\1", "a"),
    (array("int"), b"\4\2", "a[1]"),
    (array("int"), b"\3\2\2\2\0", "a[2]"),
    (array("int"), b"\1\x01\2\0", "a[0]"),
    (array(["null", "string"]), b"\4\0\2\4\xff\xff\0", "a[1]"),
    (mapping("boolean"), b"\2\2k\5\0", 'a["k"]'),
    (mapping("boolean"), b"\2\2\xff\1\0", "a{}"),
    (logical("long", "timestamp-millis"), zigzag(2**62), "a"),
    (logical("long", "timestamp-micros"), zigzag(-(2**62)), "a"),
    (logical("long", "local-timestamp-millis"), zigzag(253402300800000), "a"),
    (logical("int", "date"), zigzag(2**31 - 1), "a"),
    (logical("int", "date"), zigzag(-719163), "a"),
    (logical("int", "time-millis"), zigzag(-1), "a"),
    (logical("int", "time-millis"), zigzag(86_400_000), "a"),
    (logical("long", "time-micros"), zigzag(86_400_000_000), "a"),
    (logical("string", "uuid"), b"\4xx", "a"),
    (logical("string", "uuid"), zigzag(64) + "\u0661".encode() * 32, "a"),
    (logical("bytes", "decimal", precision=2, scale=1), b"\2\x64", "a"),
    (logical("bytes", "decimal", precision=2), b"\6\0\0\xff", "a"),
    (logical("bytes", "decimal", precision=4), zigzag(200_000) + b"\x7f" * 200_000, "a"),
]


@pytest.mark.parametrize(("kind", "body", "place"), MALFORMED)
def test_bytes_that_are_no_datum_are_refused_with_their_place(
    schema: Schema, kind: Any, body: bytes, place: str
) -> None:
    refusal = refused(body, schema(a=kind))
    assert (refusal.reason, refusal.field) == (Reason.MALFORMED, place), refusal.detail


LEGAL: list[tuple[Any, bytes, Any]] = [
    (array("int"), b"\1\2\2\0", [1]),
    (array("int"), b"\2\2\1\2\4\0", [1, 2]),
    (array("int"), b"\2\2\x80\0", [1]),
    ("int", b"\x82\0", 1),
    ("long", b"\xff" * 9 + b"\1", -(2**63)),
    ("string", b"\0", ""),
    ("string", b"\6a\0b", "a\0b"),
    (mapping("int"), b"\2\2k\2\2\2k\4\0", {"k": 2}),
    (logical("bytes", "decimal", precision=2, scale=1), b"\x08\0\0\0\x63", Decimal("9.9")),
    (logical("bytes", "decimal", precision=2, scale=1), b"\x08\xff\xff\xff\x9d", Decimal("-9.9")),
    (logical("bytes", "decimal", precision=2), b"\0", Decimal(0)),
    (logical("long", "timestamp-millis"), zigzag(1_000), datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
    (
        logical("string", "uuid"),
        b"\x48" + b"5f0f5c0e-0000-4000-8000-00000000000a",
        UUID("5f0f5c0e-0000-4000-8000-00000000000a"),
    ),
    (logical("string", "of-tomorrow"), b"\2x", "x"),
    (logical("bytes", "decimal", precision=1_000_000), b"\2\5", b"\5"),
]


@pytest.mark.parametrize(("kind", "body", "value"), LEGAL)
def test_legal_avro_is_accepted_as_it_comes(schema: Schema, kind: Any, body: bytes, value: Any) -> None:
    assert decode(body, schema(a=kind)) == {"a": value}


def test_an_item_count_is_refused_before_its_items_are_made(schema: Schema) -> None:
    refusal = refused(zigzag(50_000_000), schema(a=array("boolean")))
    assert refusal.reason is Reason.TOO_LARGE


@pytest.mark.parametrize("count", [-(2**63), 2**63 - 1])
def test_the_largest_counts_are_only_counts(schema: Schema, count: int) -> None:
    assert refused(zigzag(count) + b"\2\2", schema(a=array("int"))).reason is Reason.TOO_LARGE


def test_ten_thousand_items_pass_and_one_more_does_not(schema: Schema) -> None:
    writer = schema(a=array("boolean"), b=array("boolean"))
    half = zigzag(5_000) + b"\1" * 5_000 + b"\0"
    assert len(decode(half + half, writer)["b"]) == 5_000
    more = zigzag(5_001) + b"\1" * 5_001 + b"\0"
    assert refused(half + more, writer).reason is Reason.TOO_LARGE


def test_fields_that_take_no_bytes_are_counted_too(schema: Schema) -> None:
    nulls = [{"name": f"n{index}", "type": "null"} for index in range(1_000)]
    item = {"type": "record", "name": "I", "fields": [{"name": "b", "type": "boolean"}, *nulls]}
    body = zigzag(10_000) + b"\1" * 10_000 + b"\0"
    assert refused(body, schema(a=array(item))).reason is Reason.TOO_LARGE


def test_limits_are_the_callers(schema: Schema) -> None:
    writer = schema(a=array("boolean"))
    assert decode(b"\4\1\1\0", writer, limits=Limits(max_items=2)) == {"a": [True, True]}
    with pytest.raises(Refusal):
        decode(b"\4\1\1\0", writer, limits=Limits(max_items=1))


def test_what_encode_gives_is_what_decode_takes(schema: Schema) -> None:
    known = schema(a="string", b=["null", "int"])
    schema_id, body = unframe(encode(SchemaId(3), known, {"a": "x", "b": None}))
    assert (schema_id, decode(body, known)) == (3, {"a": "x", "b": None})


@pytest.mark.parametrize(
    "datum",
    [
        {},
        {"a": 1},
        {"a": None},
        {"a": "x", "unknown": 1},
        {"a": "\ud800"},
    ],
)
def test_what_is_not_of_the_schema_is_not_encoded(schema: Schema, datum: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as caught:
        encode(SchemaId(1), schema(a="string"), datum)
    assert caught.value.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("int", 2**31),
        ("long", 2**63),
        (logical("bytes", "decimal", precision=2), Decimal(100)),
        (enum("A"), "B"),
    ],
)
def test_a_value_out_of_range_is_not_encoded(schema: Schema, kind: Any, value: Any) -> None:
    with pytest.raises(Refusal):
        encode(SchemaId(1), schema(a=kind), {"a": value})
