"""Verdicts where avro-python alone says something else than the Java reference, and what is explained."""

import json

import pytest

from dev_registry.model import Level
from dev_registry.parsed import parse
from dev_registry.verdicts import Earlier, TooComplex, findings, findings_at


def said(schema):
    return parse(json.dumps(schema))


def fields(*given, **rest):
    return said({"type": "record", "name": "R", "namespace": "n", "fields": list(given), **rest})


def test_an_alias_without_a_namespace_is_meant_in_the_types_own():
    old = said({"type": "fixed", "name": "n.Old", "size": 1})
    new = said({"type": "fixed", "name": "n.New", "size": 1, "aliases": ["Old"]})
    assert findings(new, old) == []
    assert [finding.detail for finding in findings(old, new)] == ["expected: n.New"]


def test_only_the_last_part_of_a_name_counts():
    old, new = ({"type": "fixed", "name": name, "size": 1} for name in ("a.F", "b.F"))
    assert findings(said(new), said(old)) == []


def test_a_field_that_matches_two_of_the_writers_by_alias_is_refused():
    old = fields({"name": "a", "type": "int"}, {"name": "b", "type": "int"})
    new = fields({"name": "a", "type": "int", "aliases": ["b"]})
    [finding] = findings(new, old)
    assert "multiple fields" in finding.detail


def test_an_enums_default_stands_in_for_unknown_symbols_but_not_for_a_missing_field():
    enum = {"type": "enum", "name": "E", "symbols": ["U"], "default": "U"}
    written = {"type": "enum", "name": "E", "symbols": ["U", "X"]}
    assert findings(said(enum), said(written)) == []
    assert findings(fields({"name": "e", "type": enum}), fields())


def test_a_bare_name_is_told_without_a_namespace():
    [finding] = findings(
        said({"type": "fixed", "name": "A", "size": 1}), said({"type": "fixed", "name": "B", "size": 1})
    )
    assert finding.detail == "expected: B"


def test_every_reason_is_told_with_its_place():
    new = fields(
        {"name": "a", "type": "int"},
        {"name": "items", "type": {"type": "array", "items": {"type": "map", "values": "boolean"}}},
        {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["A"]}},
        {"name": "f", "type": {"type": "fixed", "name": "F", "size": 2}},
        {"name": "u", "type": ["null", "string"]},
        {"name": "missing", "type": "string"},
    )
    old = fields(
        {"name": "a", "type": "string"},
        {"name": "items", "type": {"type": "array", "items": {"type": "map", "values": "long"}}},
        {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["C", "A", "B"]}},
        {"name": "f", "type": {"type": "fixed", "name": "F", "size": 3}},
        {"name": "u", "type": ["null", "long"]},
    )
    assert {(f.reason.name, f.path, f.detail) for f in findings(new, old)} == {
        ("type_mismatch", "/fields/0/type", "reader type: INT not compatible with writer type: STRING"),
        (
            "type_mismatch",
            "/fields/1/type/items/values",
            "reader type: BOOLEAN not compatible with writer type: LONG",
        ),
        ("missing_enum_symbols", "/fields/2/type/symbols", "[B, C]"),
        ("fixed_size_mismatch", "/fields/3/type/size", "expected: 3, found: 2"),
        ("missing_union_branch", "/fields/4/type/1", "reader union lacking writer type: LONG"),
        ("reader_field_missing_default_value", "/fields/5", "missing"),
    }


def test_a_recursive_schema_is_compared_to_its_end():
    def tree(kind):
        return fields({"name": "value", "type": kind}, {"name": "next", "type": ["null", "n.R"]})

    assert findings(tree("long"), tree("int")) == []
    assert next(finding.path for finding in findings(tree("int"), tree("long"))) == "/fields/0/type"


def test_the_newest_version_that_fails_is_reported():
    schemas = [fields({"name": "a", "type": kind}) for kind in ("string", "int", "boolean", "boolean")]
    earlier = [Earlier(number, "text", schema) for number, schema in enumerate(schemas, 1)]
    texts = findings_at(Level.BACKWARD_TRANSITIVE, schemas[-1], earlier)
    assert "{oldSchemaVersion: 2}" in texts
    assert findings_at(Level.BACKWARD, schemas[-1], earlier) == []
    assert findings_at(Level.NONE, schemas[0], earlier) == []


def test_a_comparison_that_would_take_too_long_is_given_up():
    many = said([{"type": "fixed", "name": f"F{n}", "size": 1} for n in range(2000)])
    more = said([{"type": "fixed", "name": f"F{n}", "size": 2} for n in range(2000)])
    with pytest.raises(TooComplex):
        findings(many, more)
