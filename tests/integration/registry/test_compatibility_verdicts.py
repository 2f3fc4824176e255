"""Which change is allowed at which level, by registration and by the compatibility check alike."""

import json

import pytest

OPTIONAL_B = {"name": "b", "type": ["null", "string"], "default": None}


def fields(*given):
    return {"type": "record", "name": "R", "namespace": "n", "fields": list(given)}


def field(kind, **rest):
    return fields({"name": "a", "type": kind, **rest})


def enum(*symbols, **rest):
    return field({"type": "enum", "name": "E", "symbols": list(symbols), **rest})


A = {"name": "a", "type": "int"}
CHANGES = {
    # what changes: (old, new, new reads old, old reads new)
    "nothing": (fields(A), fields(A), True, True),
    "a field with a default is added": (fields(A), fields(A, OPTIONAL_B), True, True),
    "a field without a default is added": (fields(A), fields(A, {"name": "b", "type": "int"}), False, True),
    "a field without a default is removed": (fields(A, {"name": "b", "type": "int"}), fields(A), True, False),
    "a field with a default is removed": (fields(A, OPTIONAL_B), fields(A), True, True),
    "int becomes long": (field("int"), field("long"), True, False),
    "int becomes double": (field("int"), field("double"), True, False),
    "long becomes float": (field("long"), field("float"), True, False),
    "double becomes float": (field("double"), field("float"), False, True),
    "string becomes bytes": (field("string"), field("bytes"), True, True),
    "int becomes string": (field("int"), field("string"), False, False),
    "string becomes an optional string": (field("string"), field(["null", "string"]), True, False),
    "a branch is added to a union": (field(["null", "int"]), field(["null", "int", "string"]), True, False),
    "a union's branches change places": (field(["null", "int"]), field(["int", "null"]), True, True),
    "a union of one becomes its branch": (field(["int"]), field("int"), True, True),
    "a union's branch is promoted": (field(["null", "int"]), field(["null", "long"]), True, False),
    "a symbol is added": (enum("X", "Y"), enum("X", "Y", "Z"), True, False),
    "a symbol is added to an enum with a default": (
        enum("X", "U", default="U"),
        enum("X", "Z", "U", default="U"),
        True,
        True,
    ),
    "an enum is renamed": (
        field({"type": "enum", "name": "E", "symbols": ["X"]}),
        field({"type": "enum", "name": "F", "symbols": ["X"]}),
        False,
        False,
    ),
    "a field is renamed with an alias": (
        fields(A),
        fields({"name": "z", "type": "int", "aliases": ["a"]}),
        True,
        False,
    ),
    "a type is renamed with an alias in full": (
        field({"type": "fixed", "name": "F", "size": 2}),
        field({"type": "fixed", "name": "G", "size": 2, "aliases": ["n.F"]}),
        True,
        False,
    ),
    "a type is renamed with an alias in its own namespace": (
        field({"type": "fixed", "name": "F", "size": 2}),
        field({"type": "fixed", "name": "G", "size": 2, "aliases": ["F"]}),
        True,
        False,
    ),
    "a fixed changes its size": (
        field({"type": "fixed", "name": "F", "size": 2}),
        field({"type": "fixed", "name": "F", "size": 3}),
        False,
        False,
    ),
    "an array's items are promoted": (
        field({"type": "array", "items": "int"}),
        field({"type": "array", "items": "long"}),
        True,
        False,
    ),
    "a map's values change": (
        field({"type": "map", "values": "int"}),
        field({"type": "map", "values": "string"}),
        False,
        False,
    ),
    "a logical type is added, which Avro does not see": (
        field("long"),
        field({"type": "long", "logicalType": "timestamp-millis"}),
        True,
        True,
    ),
    "docs and custom properties change": (
        fields(A),
        {**fields({**A, "doc": "new"}), "confluent:rules": []},
        True,
        True,
    ),
    "a recursive type gets an optional field": (
        fields({"name": "next", "type": ["null", "n.R"]}),
        fields({"name": "next", "type": ["null", "n.R"]}, OPTIONAL_B),
        True,
        True,
    ),
    "a record becomes an enum": (
        field({"type": "record", "name": "T", "fields": []}),
        field({"type": "enum", "name": "T", "symbols": []}),
        False,
        False,
    ),
}


def allowed(level, new_reads_old, old_reads_new):
    return {
        "NONE": True,
        "BACKWARD": new_reads_old,
        "FORWARD": old_reads_new,
        "FULL": new_reads_old and old_reads_new,
    }[level]


@pytest.mark.parametrize("change", CHANGES)
def test_the_verdict_is_right_at_every_level(http, subject, registered, change):
    old, new, new_reads_old, old_reads_new = CHANGES[change]
    registered(subject, old)
    for level in ("NONE", "BACKWARD", "FORWARD", "FULL"):
        http.put(f"/config/{subject}", json={"compatibility": level})
        answer = http.post(
            f"/compatibility/subjects/{subject}/versions/latest",
            params={"verbose": "true"},
            json={"schema": json.dumps(new)},
        ).json()
        assert answer["is_compatible"] is allowed(level, new_reads_old, old_reads_new), (level, answer)
        assert bool(answer["messages"]) is not answer["is_compatible"]


@pytest.fixture
def history(http, subject, registered):
    """Three versions of which only the newest knows no field b."""
    http.put(f"/config/{subject}", json={"compatibility": "NONE"})
    registered(subject, fields(A, {"name": "b", "type": "string", "default": ""}))
    registered(subject, fields(A, OPTIONAL_B))
    registered(subject, fields(A))
    return subject


@pytest.mark.parametrize(
    ("level", "accepted"),
    [("BACKWARD", True), ("FULL", True), ("BACKWARD_TRANSITIVE", False), ("FULL_TRANSITIVE", False)],
)
def test_only_transitive_levels_look_at_all_versions(http, history, register, level, accepted):
    http.put(f"/config/{history}", json={"compatibility": level})
    new = fields(A, {"name": "b", "type": "long", "default": 0})
    verdict = http.post(f"/compatibility/subjects/{history}/versions", json={"schema": json.dumps(new)})
    assert verdict.json()["is_compatible"] is accepted
    assert register(history, new).status_code == (200 if accepted else 409)


def test_forward_transitive_looks_at_all_versions_too(http, subject, registered, register):
    http.put(f"/config/{subject}", json={"compatibility": "NONE"})
    registered(subject, field("int"))
    registered(subject, field("long"))
    http.put(f"/config/{subject}", json={"compatibility": "FORWARD_TRANSITIVE"})
    new = fields({"name": "a", "type": "long"}, OPTIONAL_B)
    assert register(subject, new).status_code == 409
    http.put(f"/config/{subject}", json={"compatibility": "FORWARD"})
    assert register(subject, new).status_code == 200


def test_one_version_can_be_asked_by_number(http, history):
    new = {"schema": json.dumps(fields(A, {"name": "b", "type": "long", "default": 0}))}
    http.put(f"/config/{history}", json={"compatibility": "BACKWARD"})
    path = f"/compatibility/subjects/{history}/versions"
    assert http.post(f"{path}/1", json=new).json() == {"is_compatible": False}
    assert http.post(f"{path}/3", json=new).json() == {"is_compatible": True}
    assert http.post(f"{path}/-1", json=new).json() == {"is_compatible": True}


def test_a_refused_registration_says_what_is_wrong_where_and_with_which_version(
    subject, registered, register
):
    registered(subject, fields(A))
    answer = register(subject, fields(A, {"name": "b", "type": "int"}))
    assert answer.status_code == 409
    assert answer.json()["error_code"] in (409, 40901)
    for told in (subject, "READER_FIELD_MISSING_DEFAULT_VALUE", "'b'", "/fields/1", "oldSchemaVersion: 1"):
        assert told in answer.json()["message"]


def test_any_schema_is_compatible_with_a_subject_that_does_not_exist(http, subject):
    body = {"schema": json.dumps(fields(A))}
    for part in ("versions", "versions/latest"):
        assert http.post(f"/compatibility/subjects/{subject}/{part}", json=body).json() == {
            "is_compatible": True
        }


def test_a_version_that_is_not_there_can_not_be_compared_with(http, subject, registered, refused):
    registered(subject, fields(A))
    path, body = f"/compatibility/subjects/{subject}/versions", {"schema": json.dumps(fields(A))}
    refused(http.post(f"{path}/7", json=body), 40402)
    refused(http.post(f"{path}/seven", json=body), 42202)


def test_a_check_registers_nothing(http, subject):
    body = {"schema": json.dumps(fields(A))}
    http.post(f"/compatibility/subjects/{subject}/versions", json=body)
    assert subject not in http.get("/subjects", params={"deleted": "true"}).json()


def test_an_invalid_schema_is_refused_by_the_check(http, subject, refused):
    body = {"schema": '{"type": "record"}'}
    refused(http.post(f"/compatibility/subjects/{subject}/versions", json=body), 42201)
