"""Two leads say the same, or not: across writers, contract versions and kinds of numbers."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from committed_contracts import schema_text
from signalbox.avro import ParsedSchema, decode, encode, parse, unframe
from signalbox.gate import Accepted
from signalbox.protocol.names import SchemaId
from signalbox_decide.content import content_digest, content_of

CAPTURED = parse(schema_text("sdr.LeadCaptured"))
LEAD = {
    "lead_id": "lead-1",
    "name": "Ada Example",
    "email": "ada@analytical.example",
    "company_name": "Analytical Engines",
    "job_title": "Head of Computing",
    "lead_source": "webinar",
    "company_website": None,
    "project_description": None,
    "captured_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
}


def digest(**changes: Any) -> str:
    return content_digest({"lead": {**LEAD, **changes}}, CAPTURED)


def schema(*fields: Mapping[str, Any]) -> ParsedSchema:
    return parse(json.dumps({"type": "record", "name": "t.Odd", "fields": fields}))


def read(datum: Mapping[str, Any], writer: ParsedSchema, reader: ParsedSchema) -> dict[str, Any]:
    _, body = unframe(encode(SchemaId(1), writer, dict(datum)))
    return decode(body, writer, reader)


def test_when_it_was_captured_is_no_part_of_what_a_lead_says() -> None:
    assert digest() == digest(captured_at=datetime(2027, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    "change", [{"name": "Eve"}, {"email": "Ada@analytical.example"}, {"company_website": "https://a.example"}]
)
def test_anything_else_is(change: dict[str, Any]) -> None:
    assert digest() != digest(**change)


NAME = {"name": "name", "type": "string"}
NOTE = {"name": "note", "type": ["null", "string"], "default": None}
TAGS = {"name": "tags", "type": {"type": "map", "values": "string"}, "default": {}}
SOURCE = {"name": "source", "type": "string", "default": "web"}


@pytest.mark.parametrize("more", [NOTE, TAGS, SOURCE])
def test_a_field_with_its_default_more_or_less_changes_nothing_under_either_contract(
    more: dict[str, Any],
) -> None:
    old, new = schema(NAME), schema(more, NAME)
    old_datum = {"name": "Ada"}
    new_datum = {"name": "Ada", more["name"]: more["default"]}
    digests = {
        content_digest(read(datum, writer, reader), reader)
        for datum, writer in ((old_datum, old), (new_datum, new))
        for reader in (old, new)
    }
    assert len(digests) == 1


def test_a_default_inside_a_nested_record_changes_nothing_either() -> None:
    def nested(*fields: dict[str, Any]) -> ParsedSchema:
        inner = {"type": "record", "name": "t.Inner", "fields": fields}
        many = {"type": "array", "items": ["null", "t.Inner"]}
        return schema({"name": "one", "type": ["null", inner]}, {"name": "many", "type": many})

    old, new = nested(NAME), nested(NAME, SOURCE)
    datum = {"one": {"name": "Ada"}, "many": [None, {"name": "Eve"}]}
    assert content_digest(read(datum, old, old), old) == content_digest(read(datum, old, new), new)


@pytest.mark.parametrize(
    ("kind", "left", "right"),
    [
        ({"type": "map", "values": "int"}, {"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ("double", float("nan"), float("nan")),
        ("double", 0.0, -0.0),
        ("double", 1.0, 1),
        (
            {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
            Decimal("1.1"),
            Decimal("1.10"),
        ),
        (
            {"type": "long", "logicalType": "timestamp-millis"},
            datetime(2026, 1, 1, 12, tzinfo=UTC),
            datetime(2026, 1, 1, 14, tzinfo=timezone(timedelta(hours=2))),
        ),
    ],
)
def test_equal_values_are_equal_however_they_are_written(kind: Any, left: Any, right: Any) -> None:
    one = schema({"name": "it", "type": kind})
    assert content_digest({"it": left}, one) == content_digest({"it": right}, one)


@pytest.mark.parametrize(
    ("kind", "left", "right"),
    [
        ({"type": "array", "items": "int"}, [1, 2], [2, 1]),
        ({"type": "array", "items": "string"}, ["a", "b"], ["a,b"]),
        (["null", "string"], None, "None"),
        (["boolean", "long"], True, 1),
        ("double", float("inf"), float("-inf")),
        ("double", 0.1, 0.1 + 2**-56),
        ("bytes", b"\xff", b"\xfe"),
        ({"type": "map", "values": "string"}, {"a": "b"}, {"b": "a"}),
        ({"type": "map", "values": "string"}, {}, {"": ""}),
    ],
)
def test_different_values_are_different(kind: Any, left: Any, right: Any) -> None:
    one = schema({"name": "it", "type": kind})
    assert content_digest({"it": left}, one) != content_digest({"it": right}, one)


def test_a_field_that_was_renamed_is_known_by_the_name_it_had() -> None:
    old, new = schema(NAME, NOTE), schema({**NOTE, "name": "remark", "aliases": ["note"]}, NAME)
    assert content_digest({"name": "Ada", "note": "x"}, old) == content_digest(
        {"name": "Ada", "remark": "x"}, new
    )
    assert content_digest({"name": "Ada", "note": "x"}, old) != content_digest(
        {"name": "Ada", "remark": "y"}, new
    )


def test_null_says_nothing_unless_the_default_says_something() -> None:
    def nullable(**more: Any) -> ParsedSchema:
        return schema(NAME, {"name": "note", "type": ["string", "null"], **more})

    absent = content_digest({"name": "Ada"}, schema(NAME))
    assert content_digest({"name": "Ada", "note": None}, nullable()) == absent
    assert content_digest({"name": "Ada", "note": None}, nullable(default="web")) != absent
    assert content_digest({"name": "Ada", "note": "web"}, nullable(default="web")) == absent


def test_a_writers_default_that_does_not_fit_its_field_is_no_default() -> None:
    odd = schema(NAME, {"name": "size", "type": "int", "default": "x" * 9})
    datum = {"name": "Ada", "size": 1}
    assert content_digest(datum, odd) == content_digest(datum, schema(NAME, {"name": "size", "type": "int"}))


def test_what_its_writers_schema_can_not_decode_is_known_by_its_bytes(accepted: Any) -> None:
    def lead(value: bytes) -> Accepted:
        one = accepted()
        return replace(one, record=replace(one.record, value=value), writer=CAPTURED)

    assert content_of(lead(b"\0\0\0\0\1x")) == content_of(lead(b"\0\0\0\0\1x"))
    assert content_of(lead(b"\0\0\0\0\1x")) != content_of(lead(b"\0\0\0\0\1y"))


@pytest.mark.parametrize("nullable", [False, True])
def test_a_default_inside_a_record_of_a_map_changes_nothing_either(nullable: bool) -> None:
    def mapped(*fields: dict[str, Any]) -> ParsedSchema:
        inner = {"type": "record", "name": "t.Inner", "fields": fields}
        other = {"type": "record", "name": "t.Other", "fields": [TAGS]}
        kind: Any = {"type": "map", "values": inner}
        return schema({"name": "it", "type": ["null", other, kind] if nullable else kind})

    old, new = mapped(NAME), mapped(NAME, SOURCE)
    datum = {"it": {"first": {"name": "Ada"}, "second": {"name": "Eve"}}}
    assert content_digest(read(datum, old, old), old) == content_digest(read(datum, old, new), new)
