"""Properties over random schemas, data and bytes."""

import io
import json
import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import fastavro
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signalbox.avro import decode, encode, parse, unframe
from signalbox.avro.resolution import mismatches
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import SchemaId
from signalbox.protocol.reasons import Reason

MILLISECOND = timedelta(milliseconds=1)
TEXT = st.text(max_size=8)
MOMENTS = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)
PLAIN: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32),
    "double": st.floats(),
    "bytes": st.binary(max_size=8),
    "string": TEXT,
}
LOGICAL: list[tuple[dict[str, Any], st.SearchStrategy[Any]]] = [
    (
        {"type": "long", "logicalType": "timestamp-millis"},
        MOMENTS.map(lambda at: at - (at - at.min.replace(tzinfo=UTC)) % MILLISECOND),
    ),
    ({"type": "long", "logicalType": "timestamp-micros"}, MOMENTS),
    ({"type": "int", "logicalType": "date"}, st.dates(date(1, 1, 1))),
    ({"type": "long", "logicalType": "time-micros"}, st.times()),
    (
        {"type": "int", "logicalType": "time-millis"},
        st.integers(0, 86_399_999).map(lambda ms: (datetime.min + ms * MILLISECOND).time()),
    ),
    ({"type": "string", "logicalType": "uuid"}, st.uuids()),
    (
        {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2},
        st.integers(-999_999, 999_999).map(lambda unscaled: Decimal(unscaled).scaleb(-2)),
    ),
]
Typed = tuple[Any, st.SearchStrategy[Any]]


class Names:
    def __init__(self) -> None:
        self._count = 0

    def new(self) -> str:
        self._count += 1
        return f"N{self._count}"


@st.composite
def typed(draw: st.DrawFn, names: Names, depth: int) -> Typed:  # noqa: PLR0911  (one a type)
    """Give a schema and the strategy of its data."""
    kinds = ["plain", "logical", "enum", "fixed"] + (["array", "map", "union", "record"] if depth else [])
    match draw(st.sampled_from(kinds)):
        case "plain":
            kind = draw(st.sampled_from(sorted(PLAIN)))
            return kind, PLAIN[kind]
        case "logical":
            return draw(st.sampled_from(LOGICAL))
        case "enum":
            symbols = draw(st.lists(st.sampled_from("ABCDE"), min_size=1, unique=True))
            return {"type": "enum", "name": names.new(), "symbols": symbols}, st.sampled_from(symbols)
        case "fixed":
            size = draw(st.integers(1, 5))
            return {"type": "fixed", "name": names.new(), "size": size}, st.binary(
                min_size=size, max_size=size
            )
        case "array":
            kind, data = draw(typed(names, depth - 1).filter(takes_bytes))
            return {"type": "array", "items": kind}, st.lists(data, max_size=3)
        case "map":
            kind, data = draw(typed(names, depth - 1).filter(takes_bytes))
            return {"type": "map", "values": kind}, st.dictionaries(TEXT, data, max_size=3)
        case "union":
            kind, data = draw(
                typed(names, depth - 1).filter(
                    lambda each: not isinstance(each[0], list) and each[0] != "null"
                )
            )
            return ["null", kind], st.none() | data
        case _:
            return draw(records(names, depth - 1))


def takes_bytes(each: Typed) -> bool:
    return "null" not in json.dumps(each[0]).replace('["null"', "") and '"fields": []' not in json.dumps(
        each[0]
    )


@st.composite
def records(draw: st.DrawFn, names: Names, depth: int) -> Typed:
    fields = [draw(typed(names, depth)) for _ in range(draw(st.integers(0, 4)))]
    schema = {
        "type": "record",
        "name": names.new(),
        "fields": [{"name": f"f{index}", "type": kind} for index, (kind, _) in enumerate(fields)],
    }
    return schema, st.fixed_dictionaries({f"f{index}": data for index, (_, data) in enumerate(fields)})


@st.composite
def schemas_with_data(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    schema, data = draw(records(Names(), 3))
    return json.dumps(schema), draw(data)


def same(left: Any, right: Any) -> bool:
    match left, right:
        case dict(), dict():
            return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
        case list(), list():
            return len(left) == len(right) and all(map(same, left, right))
        case float(), float() if math.isnan(left):
            return math.isnan(right)
        case _:
            return bool(left == right)


MANY = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


@MANY
@given(schemas_with_data())
def test_what_is_encoded_is_decoded_as_it_was(case: tuple[str, dict[str, Any]]) -> None:
    text, datum = case
    schema = parse(text)
    value = encode(SchemaId(1), schema, datum)
    decoded = decode(unframe(value)[1], schema)
    assert same(decoded, datum)
    assert same(decode(unframe(encode(SchemaId(1), schema, decoded))[1], schema), decoded)


@MANY
@given(schemas_with_data(), st.data())
def test_mutated_bytes_get_a_datum_or_a_refusal_and_a_datum_survives(
    case: tuple[str, dict[str, Any]], draws: st.DataObject
) -> None:
    text, datum = case
    schema = parse(text)
    body = bytearray(unframe(encode(SchemaId(1), schema, datum))[1])
    for _ in range(draws.draw(st.integers(1, 3))):
        at = draws.draw(st.integers(0, len(body)))
        cut = draws.draw(st.integers(0, 2))
        body[at : at + cut] = draws.draw(st.binary(max_size=3))
    try:
        decoded = decode(bytes(body), schema)
    except Refusal as refusal:
        assert refusal.reason in (Reason.MALFORMED, Reason.TOO_LARGE)
    else:
        assert same(decode(unframe(encode(SchemaId(1), schema, decoded))[1], schema), decoded)


@MANY
@given(schemas_with_data())
def test_fastavro_alone_reads_the_same_from_the_same_text(case: tuple[str, dict[str, Any]]) -> None:
    text, datum = case
    body = unframe(encode(SchemaId(1), parse(text), datum))[1]
    assert same(
        fastavro.schemaless_reader(io.BytesIO(body), json.loads(text), None), decode(body, parse(text))
    )


@MANY
@given(schemas_with_data(), schemas_with_data())
def test_a_reader_without_mismatch_reads_whatever_was_written(
    written: tuple[str, dict[str, Any]], read: tuple[str, dict[str, Any]]
) -> None:
    writer, reader = parse(written[0]), parse(read[0])
    body = unframe(encode(SchemaId(1), writer, written[1]))[1]
    if mismatches(writer, reader):
        return
    try:
        decoded = decode(body, writer, reader)
    except Refusal as refusal:
        assert "UTF-8" in refusal.detail  # bytes as string depend on the data
    else:
        assert decoded.keys() == {field["name"] for field in json.loads(read[0])["fields"]}


@MANY
@given(st.text(alphabet='{}[]":,\\ nulrecodtyp', max_size=200) | st.text(max_size=50))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        parse(text)
    except Refusal as refusal:
        assert refusal.reason is Reason.UNSAFE_SCHEMA


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.sampled_from(["record", "int", "array", "enum", "null", "R"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "name",
                    "fields",
                    "items",
                    "values",
                    "symbols",
                    "size",
                    "default",
                    "aliases",
                    "namespace",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@MANY
@given(JSON)
def test_any_json_is_parsed_or_refused(source: Any) -> None:
    try:
        parse(json.dumps(source))
    except Refusal as refusal:
        assert refusal.reason is Reason.UNSAFE_SCHEMA
