import json
import uuid
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import committed_contracts
from signalbox.avro import decode, encode, parse, unframe
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import SchemaId
from signalbox_operations.replay.editing import editable
from signalbox_operations.replay.json_form import from_json, skeleton
from signalbox_operations.replay.json_text import as_json

EVERYTHING = parse(
    json.dumps(
        {
            "type": "record",
            "name": "t.Everything",
            "fields": [
                {"name": "flag", "type": "boolean"},
                {"name": "small", "type": "int"},
                {"name": "big", "type": "long"},
                {"name": "real", "type": "double"},
                {"name": "text", "type": "string"},
                {"name": "raw", "type": "bytes"},
                {"name": "pair", "type": {"type": "fixed", "name": "t.Two", "size": 2}},
                {"name": "kind", "type": {"type": "enum", "name": "t.Kind", "symbols": ["A", "B"]}},
                {"name": "many", "type": {"type": "array", "items": "int"}},
                {"name": "named", "type": {"type": "map", "values": ["null", "string"]}},
                {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
                {"name": "on", "type": {"type": "int", "logicalType": "date"}},
                {"name": "clock", "type": {"type": "int", "logicalType": "time-millis"}},
                {"name": "local", "type": {"type": "long", "logicalType": "local-timestamp-millis"}},
                {"name": "token", "type": {"type": "string", "logicalType": "uuid"}},
                {
                    "name": "price",
                    "type": {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2},
                },
                {"name": "note", "type": ["null", "string"], "default": None},
            ],
        }
    )
)
DATUM: dict[str, Any] = {
    "flag": True,
    "small": -1,
    "big": 2**62,
    "real": 1.5,
    "text": "Zoë\u2028",
    "raw": b"\x00\xff",
    "pair": b"ab",
    "kind": "B",
    "many": [1, 2],
    "named": {"a": None, "b": "x"},
    "at": datetime(2026, 3, 2, 9, 0, 0, 1000, tzinfo=UTC),
    "on": date(2026, 3, 2),
    "clock": time(9, 30),
    "local": datetime(2026, 3, 2, 9),
    "token": uuid.UUID(int=7),
    "price": Decimal("12.30"),
    "note": None,
}


def body(datum: dict[str, Any]) -> bytes:
    return unframe(encode(SchemaId(1), EVERYTHING, datum))[1]


def test_a_datum_of_every_type_survives_being_edited_without_a_change():
    datum = decode(body(DATUM), EVERYTHING)
    assert from_json(EVERYTHING.root, json.loads(as_json(datum))) == datum
    assert body(from_json(EVERYTHING.root, json.loads(as_json(datum)))) == body(DATUM)


@given(
    st.fixed_dictionaries(
        {
            "text": st.text(st.characters(exclude_categories=["Cs"])),
            "raw": st.binary(),
            "big": st.integers(-(2**63), 2**63 - 1),
            "real": st.floats(allow_nan=False),
            "at": st.datetimes(datetime(1970, 1, 1), datetime(2500, 1, 1)).map(
                lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000, tzinfo=UTC)
            ),
        }
    )
)
def test_no_value_changes_by_being_shown(changes):
    datum = decode(body(DATUM | changes), EVERYTHING)
    assert from_json(EVERYTHING.root, json.loads(as_json(datum))) == datum


@pytest.mark.parametrize(("name", "bits"), [("small", 32), ("big", 64)])
def test_a_whole_number_reaches_to_both_ends_of_its_type_and_not_beyond(name, bits):
    shown = json.loads(as_json(DATUM))
    for most in (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1):
        assert from_json(EVERYTHING.root, shown | {name: most})[name] == most
        with pytest.raises(Refusal, match=f"expected a whole number of {bits} bits"):
            from_json(EVERYTHING.root, shown | {name: most + (1 if most > 0 else -1)})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"flag": 1}, "expected true or false, found 1"),
        ({"real": "1"}, 'expected a number, found "1"'),
        ({"real": True}, "expected a number, found true"),
        ({"text": 1}, "expected a text, found 1"),
        ({"raw": 1}, "expected a text with one character a byte, found 1"),
        ({"pair": "\u20ac "}, r'expected a text with one character a byte, found "\u20ac "'),
        ({"pair": "a"}, 'expected 2 bytes, found "a"'),
        ({"kind": "C"}, 'expected one of A, B, found "C"'),
        ({"at": "2026-03-02T09:00"}, "expected a time with its offset from UTC, like 2026-03-02T09:00:00Z"),
        ({"local": 1}, "expected a time without an offset, like 2026-03-02T09:00:00, found 1"),
        ({"clock": "9"}, 'expected a time of day, like 09:00:00, found "9"'),
        ({"on": None}, "expected a date, like 2026-03-02, found null"),
        ({"token": "x"}, 'expected a UUID, found "x"'),
        ({"price": "x"}, 'expected a decimal number as text, found "x"'),
        ({"price": 12}, "expected a decimal number as text, found 12"),
        ({"text": ["x" * 100]}, f'expected a text, found ["{"x" * 78}'),
        ({"nte": "x"}, "t.Everything has no such field"),
    ],
)
def test_what_does_not_fit_is_told_beside_what_would(change, told):
    with pytest.raises(Refusal) as refused:
        from_json(EVERYTHING.root, json.loads(as_json(DATUM)) | change)
    assert refused.value.detail.startswith(told)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"flag": 1}, "flag"),
        ({"small": 2**31}, "small"),
        ({"small": True}, "small"),
        ({"big": "1"}, "big"),
        ({"text": None}, "text"),
        ({"raw": "€"}, "raw"),
        ({"pair": "abc"}, "pair"),
        ({"kind": "C"}, "kind"),
        ({"many": [1, "x"]}, "many[1]"),
        ({"named": {"k": 3}}, "named[k]"),
        ({"at": "2026-03-02T09:00:00"}, "at"),
        ({"local": "2026-03-02T09:00:00Z"}, "local"),
        ({"on": "today"}, "on"),
        ({"token": "x"}, "token"),
        ({"price": 12}, "price"),
        ({"nte": "x"}, "nte"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_path(change, field):
    shown = json.loads(as_json(DATUM)) | change
    with pytest.raises(Refusal) as refused:
        from_json(EVERYTHING.root, shown)
    assert refused.value.field == field


def test_a_field_that_is_required_and_not_there_is_named():
    shown = json.loads(as_json(DATUM))
    del shown["note"], shown["text"]  # the first of them has a default
    with pytest.raises(Refusal) as refused:
        from_json(EVERYTHING.root, shown)
    assert (refused.value.field, refused.value.detail) == ("text", "the field is required")


def test_a_record_that_can_not_be_read_is_edited_from_its_contracts_empty_form():
    schema = parse(committed_contracts.schema_text("sdr.LeadScored"))
    form = editable(None, "unknown schema", (2, SchemaId(7), schema))
    shown = json.loads(form.text)
    assert shown == skeleton(schema.root)
    assert shown["lead"]["email"] is None
    with pytest.raises(Refusal):
        form.encoded(form.text)  # what is required has to be filled in


def test_the_empty_form_has_each_default_and_nothing_where_a_value_is_needed():
    schema = parse(
        json.dumps(
            {
                "type": "record",
                "name": "t.Empty",
                "fields": [
                    {"name": "needed", "type": "string"},
                    {"name": "given", "type": "int", "default": 7},
                    {"name": "many", "type": {"type": "array", "items": "int"}},
                    {"name": "named", "type": {"type": "map", "values": "int"}},
                    {"name": "either", "type": ["int", "null"]},
                ],
            }
        )
    )
    shown = {"needed": None, "given": 7, "many": [], "named": {}, "either": None}
    assert skeleton(schema.root) == shown


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000])
def test_an_edited_text_that_is_no_record_is_refused(text):
    form = editable(None, "", (1, SchemaId(7), EVERYTHING))
    with pytest.raises(Refusal):
        form.encoded(text)


MIXED: list[Any] = [
    "null",
    "string",
    "double",
    "long",
    {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 3},
    {"type": "fixed", "name": "t.Id", "size": 4},
    {"type": "int", "logicalType": "date"},
    {"type": "enum", "name": "t.Kind", "symbols": ["A", "B"]},
]
UNIONS = parse(
    json.dumps(
        {
            "type": "record",
            "name": "t.Unions",
            "fields": [
                {"name": "one", "type": MIXED},
                {
                    "name": "many",
                    "type": {"type": "array", "items": ["t.Id", "t.Kind", "null", "string", "long"]},
                },
                {
                    "name": "at",
                    "type": ["string", "bytes", {"type": "long", "logicalType": "timestamp-micros"}],
                },
                {"name": "named", "type": {"type": "map", "values": ["float", "int", "long", "boolean"]}},
                {"name": "note", "type": "string"},
            ],
        }
    )
)
BRANCHES = st.one_of(
    st.none(),
    st.text(max_size=5),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.decimals(-(10**9), 10**9, places=3),
    st.binary(min_size=4, max_size=4),
    st.dates(),
    st.sampled_from(["A", "B"]),
)
UNION_DATA = st.fixed_dictionaries(
    {
        "one": BRANCHES,
        "many": st.lists(
            st.one_of(
                st.none(), st.text(max_size=3), st.binary(min_size=4, max_size=4), st.integers(-9, 2**60)
            ),
            max_size=4,
        ),
        "at": st.one_of(
            st.text(max_size=3),
            st.binary(max_size=3),
            st.datetimes(datetime(1990, 1, 1), timezones=st.just(UTC)),
        ),
        "named": st.dictionaries(
            st.text(max_size=2), st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1)), max_size=3
        ),
        "note": st.text(max_size=3),
    }
)


@given(UNION_DATA)
def test_an_edit_that_changes_nothing_gives_the_same_bytes(given_datum):
    value = encode(SchemaId(7), UNIONS, given_datum)
    form = editable(decode(unframe(value)[1], UNIONS), "", (3, SchemaId(7), UNIONS), value)
    assert form.encoded(form.text) == value
    assert form.encoded(json.dumps(json.loads(form.text), indent=7)) == value


@given(UNION_DATA)
def test_an_edit_of_one_field_leaves_every_other_as_it_was(given_datum):
    value = encode(SchemaId(7), UNIONS, given_datum)
    datum = decode(unframe(value)[1], UNIONS)
    form = editable(datum, "", (3, SchemaId(8), UNIONS), value)
    edited = json.loads(form.text) | {"note": "changed"}
    edited["many"] = [None, *edited["many"]]
    wanted = datum | {"note": "changed", "many": [None, *datum["many"]]}
    assert form.encoded(json.dumps(edited)) == encode(SchemaId(8), UNIONS, wanted)


def test_what_an_edit_leaves_alone_stays_of_its_branch():
    datum = {"one": date(2026, 3, 2), "many": [b"abcd"], "at": b"x", "named": {"a": True}, "note": "a"}
    form = editable(datum, "", (3, SchemaId(8), UNIONS), encode(SchemaId(7), UNIONS, datum))
    assert form.encoded(form.text.replace('"a"\n}', '"b"\n}')) == encode(
        SchemaId(8), UNIONS, datum | {"note": "b"}
    )


@pytest.mark.parametrize(
    ("before", "text", "after"),
    [
        (Decimal("12.300"), '"12.301"', Decimal("12.301")),
        (b"abcd", '"abce"', b"abce"),
        (date(2026, 3, 2), '"2026-03-03"', date(2026, 3, 3)),
        ("2026-03-02", '"2026-03-03"', "2026-03-03"),
        (2**62 + 1, "4611686018427387906", 2**62 + 2),
        (None, "9007199254740993", 2**53 + 1),
        (1.5, "2", 2.0),
    ],
)
def test_a_changed_value_of_a_union_stays_of_its_branch(before, text, after):
    found = from_json(UNIONS.root.fields[0].type, json.loads(text), before=before)
    assert (found, type(found)) == (after, type(after))


NESTED = parse(
    json.dumps(
        {
            "type": "record",
            "name": "t.Nested",
            "fields": [
                {"name": "rows", "type": {"type": "array", "items": {"type": "array", "items": "int"}}},
                {"name": "maps", "type": {"type": "map", "values": {"type": "map", "values": "int"}}},
                {
                    "name": "kinds",
                    "type": {"type": "array", "items": {"type": "enum", "name": "t.K", "symbols": ["A"]}},
                },
            ],
        }
    )
)


@pytest.mark.parametrize(
    ("changed", "field", "told"),
    [
        ({"rows": [[1], 2]}, "rows[1]", "expected a list, found 2"),
        ({"rows": [[1], [2, "x"]]}, "rows[1][1]", 'expected a whole number of 32 bits, found "x"'),
        ({"maps": {"a": 1}}, "maps[a]", "expected an object, found 1"),
        ({"maps": {"a": {"b": None}}}, "maps[a][b]", "expected a whole number of 32 bits, found null"),
        ({"kinds": ["A", "B"]}, "kinds[1]", 'expected one of A, found "B"'),
    ],
)
def test_what_does_not_fit_inside_a_list_or_map_is_refused_with_its_whole_path(changed, field, told):
    with pytest.raises(Refusal) as refused:
        from_json(NESTED.root, {"rows": [], "maps": {}, "kinds": [], **changed})
    assert (refused.value.field, refused.value.detail) == (field, told)


def test_a_text_that_says_the_same_gives_the_very_bytes_and_one_that_does_not_gives_others():
    value = encode(SchemaId(7), NESTED, {"rows": [[1]], "maps": {}, "kinds": ["A"]})
    shown = editable({"rows": [[1]], "maps": {}, "kinds": ["A"]}, "", (3, SchemaId(7), NESTED), value)
    assert shown.encoded(f" {shown.text} ") is value
    changed = shown.encoded(shown.text.replace("1", "2"))
    assert decode(unframe(changed)[1], NESTED)["rows"] == [[2]]
    assert (shown.record_type, shown.version, shown.schema_id) == ("t.Nested", 3, 7)


def test_the_bytes_of_another_version_are_not_taken_as_they_are():
    datum = {"rows": [], "maps": {}, "kinds": []}
    value = encode(SchemaId(6), NESTED, datum)
    shown = editable(datum, "", (3, SchemaId(7), NESTED), value)
    assert unframe(shown.encoded(shown.text))[0] == 7


@pytest.mark.parametrize("now", ["[1, 2, 3]", "[2, 1, 3]", "[1]", "[]"])
def test_the_items_of_a_list_may_become_more_or_fewer_and_change_places(now):
    """Each is found by what it says: the decimals stay decimals, though JSON has them as texts."""
    kind = {"type": "array", "items": ["string", {"type": "bytes", "logicalType": "decimal", "precision": 4}]}
    schema = parse(json.dumps({"type": "record", "name": "t.L", "fields": [{"name": "many", "type": kind}]}))
    before = {"many": [Decimal(1), "2"]}
    said = [str(number) for number in json.loads(now)]
    found = from_json(schema.root, {"many": said}, before=before)["many"]
    assert found == [Decimal(1) if one == "1" else one for one in said]


def test_of_a_union_the_branch_that_came_furthest_says_what_is_wrong():
    inner = {"type": "record", "name": "t.In", "fields": [{"name": "a", "type": "int"}]}
    fields = [{"name": "it", "type": ["null", "string", inner]}, {"name": "n", "type": ["null", "int"]}]
    schema = parse(json.dumps({"type": "record", "name": "t.U", "fields": fields}))
    for value, field, told in (
        ({"it": {"a": "x"}, "n": None}, "it.a", "expected a whole number of 32 bits"),
        ({"it": 3, "n": None}, "it", "expected a text"),
        ({"it": None, "n": "x"}, "n", "expected a whole number of 32 bits"),
    ):
        with pytest.raises(Refusal) as refused:
            from_json(schema.root, value)
        assert (refused.value.field, refused.value.detail.partition(",")[0]) == (field, told)


DATED = ["string", {"type": "int", "logicalType": "date"}]
INSIDE = parse(
    json.dumps(
        {
            "type": "record",
            "name": "t.Outer",
            "fields": [
                {
                    "name": "it",
                    "type": [
                        "null",
                        {
                            "type": "record",
                            "name": "t.Inner",
                            "fields": [{"name": "on", "type": DATED}, {"name": "n", "type": "int"}],
                        },
                    ],
                },
                {"name": "named", "type": {"type": "map", "values": DATED}},
            ],
        }
    )
)


def test_what_is_left_alone_inside_a_union_or_a_map_that_changed_is_what_it_was():
    day, text = date(2026, 3, 2), "2026-03-02"
    before = {"it": {"on": day, "n": 1}, "named": {"a": day, "b": text}}
    said = {"it": {"on": text, "n": 2}, "named": {"a": text, "b": text, "c": text}}
    assert from_json(INSIDE.root, said, before=before) == {
        "it": {"on": day, "n": 2},
        "named": {"a": day, "b": text, "c": text},
    }


@pytest.mark.parametrize(
    ("inner", "field", "told"),
    [
        ({"on": "x", "n": 1, "more": 2}, "it.more", "t.Inner has no such field"),
        ({"on": "x"}, "it.n", "the field is required"),
    ],
)
def test_a_field_too_many_or_too_few_inside_another_is_named_with_its_whole_path(inner, field, told):
    with pytest.raises(Refusal) as refused:
        from_json(INSIDE.root, {"it": inner, "named": {}})
    assert (refused.value.field, refused.value.detail) == (field, told)
