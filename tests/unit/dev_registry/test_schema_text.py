"""Reading schema text: names, normal form, identity."""

import json

import pytest

from dev_registry.parsed import parse
from dev_registry.schema_text import MAX_DEPTH, MAX_FIELDS, SchemaTextError


def said(schema):
    return parse(json.dumps(schema))


def record(**rest):
    return {"type": "record", "name": "R", "fields": [], **rest}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"type": "string"}, "string"),
        (record(namespace="n"), record(name="n.R")),
        (record(name="n.R", namespace="ignored"), record(name="n.R")),
        (record(namespace=""), record()),
        (record(namespace=None), record()),
        (
            record(namespace="n", fields=[{"name": "a", "type": record(name="I", namespace=None)}]),
            record(namespace="n", fields=[{"name": "a", "type": record(name="n.I")}]),
        ),
        (record(namespace="n", aliases=["Old"]), record(namespace="n", aliases=["n.Old"])),
        (
            record(fields=[{"name": "a", "type": "int", "order": "ascending"}]),
            record(fields=[{"type": {"type": "int"}, "name": "a"}]),
        ),
    ],
)
def test_two_spellings_of_one_schema_are_equal(one, other):
    assert said(one).canonical == said(other).canonical


@pytest.mark.parametrize(
    "other",
    [
        record(doc="d"),
        record(extra=[1]),
        record(namespace="n"),
        record(aliases=["Q"]),
        record(fields=[{"name": "a", "type": "int"}]),
    ],
)
def test_docs_names_and_properties_tell_schemas_apart(other):
    assert said(other).canonical != said(record()).canonical


def test_the_normal_text_is_a_schema_that_says_the_same():
    schema = {
        "namespace": "n",
        "doc": "é",
        "z": {"b": 1, "a": 2},
        **record(
            fields=[
                {"type": {"type": "enum", "name": "E", "symbols": ["A"], "default": "A"}, "name": "e"},
                {"name": "again", "type": "E", "order": "ignore", "aliases": ["b", "a"]},
                {"name": "t", "type": {"logicalType": "timestamp-millis", "type": "long"}, "default": 0},
            ]
        ),
    }
    normal = said(schema).normal
    assert parse(normal).canonical == said(schema).canonical
    assert parse(normal).normal == normal
    assert '"z":{"b":1,"a":2}' in normal
    assert "é" in normal


def test_a_bare_name_means_the_enclosing_namespace_first_and_then_none():
    inner = {"type": "record", "name": "n.Outer", "fields": [{"name": "x", "type": "X"}]}
    bare = {"type": "fixed", "name": "X", "size": 1}
    near = {"type": "fixed", "name": "n.X", "size": 2}
    assert '"type":"X"' in said([bare, inner]).normal
    assert '"type":"n.X"' in said([bare, near, inner]).normal


def test_a_type_may_have_a_primitives_name_in_a_namespace_and_does_not_hide_it():
    fields = [
        {"name": "a", "type": {"type": "fixed", "name": "string", "size": 1}},
        {"name": "b", "type": "string"},
    ]
    schema = said(record(namespace="n", fields=fields))
    assert schema.avro.fields[1].type.type == "string"


@pytest.mark.parametrize("name", ["int", "a-b", "1a", "", "n..R", "n.", "ö"])
def test_names_outside_the_specification_are_refused(name):
    with pytest.raises(SchemaTextError):
        said(record(name=name))


@pytest.mark.parametrize(
    ("kind", "default", "valid"),
    [
        ("int", 1, True),
        ("int", 2**31, False),
        ("int", True, False),
        ("int", 1.0, False),
        ("long", 2**40, True),
        ("double", 1, True),
        ("double", "NaN", False),
        ("boolean", False, True),
        ("bytes", "\u00ff", True),
        ("bytes", "\u0100", False),
        ("null", None, True),
        (["null", "string"], None, True),
        (["null", "string"], "any branch since Avro 1.12", True),
        (["null", "string"], 7, False),
        ({"type": "array", "items": "int"}, [1, 2], True),
        ({"type": "array", "items": "int"}, ["1"], False),
        ({"type": "map", "values": "int"}, {"a": 1}, True),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, "A", True),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, "B", False),
        ({"type": "fixed", "name": "F", "size": 2}, "ab", True),
        ({"type": "fixed", "name": "F", "size": 2}, "a", False),
        (record(name="Q", fields=[{"name": "q", "type": "int"}]), {"q": 1}, True),
        (record(name="Q", fields=[{"name": "q", "type": "int"}]), {}, False),
        (record(name="Q", fields=[{"name": "q", "type": "int", "default": 1}]), {}, True),
    ],
)
def test_a_default_must_be_a_value_of_its_type(kind, default, valid):
    schema = record(fields=[{"name": "a", "type": kind, "default": default}])
    if valid:
        said(schema)
    else:
        with pytest.raises(SchemaTextError, match="Invalid default"):
            said(schema)


def test_nesting_is_accepted_up_to_the_limit_and_refused_above():
    def nested(depth):
        return '{"type":"array","items":' * depth + '"int"' + "}" * depth

    parse(nested(MAX_DEPTH - 1))
    with pytest.raises(SchemaTextError, match="deep"):
        parse(nested(MAX_DEPTH + 1))


def test_a_record_has_a_limited_number_of_fields():
    fields = [{"name": f"f{n}", "type": "int"} for n in range(MAX_FIELDS + 1)]
    with pytest.raises(SchemaTextError, match="fields"):
        said(record(fields=fields))


@pytest.mark.parametrize(
    "text", ['{"type":"int","p":NaN}', '{"type":"int","p":1e999}', '"int" "int"', "\ud800"]
)
def test_what_is_not_json_is_refused(text):
    with pytest.raises(SchemaTextError, match="not JSON"):
        parse(text)
