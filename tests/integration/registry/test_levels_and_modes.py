"""/config, /mode and what they allow."""

import json
from contextlib import contextmanager

import pytest

LEVELS = [
    "NONE",
    "BACKWARD",
    "BACKWARD_TRANSITIVE",
    "FORWARD",
    "FORWARD_TRANSITIVE",
    "FULL",
    "FULL_TRANSITIVE",
]


@contextmanager
def put_back(http, path, key):
    """Restore a setting of the whole registry, which other tests use too."""
    before = http.get(path).json()
    try:
        yield
    finally:
        http.put(path, json={key: before.get("mode") or before["compatibilityLevel"]})


def test_the_default_level_is_backward(http, own_registry):
    assert http.get("/config").json() == {"compatibilityLevel": "BACKWARD"}


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_is_set_read_and_dropped(http, subject, refused, level):
    refused(http.get(f"/config/{subject}"), 40408)
    assert http.put(f"/config/{subject}", json={"compatibility": level}).json()["compatibility"] == level
    assert http.get(f"/config/{subject}").json()["compatibilityLevel"] == level
    assert http.delete(f"/config/{subject}").json()["compatibilityLevel"] == level
    refused(http.get(f"/config/{subject}"), 40408)
    refused(http.delete(f"/config/{subject}"), 40401)


def test_a_level_may_be_sent_in_small_letters(http, subject):
    http.put(f"/config/{subject}", json={"compatibility": "full_transitive"})
    assert http.get(f"/config/{subject}").json()["compatibilityLevel"] == "FULL_TRANSITIVE"


@pytest.mark.parametrize("path", ["/config", "/config/some-subject"])
def test_an_unknown_level_is_42203(http, refused, path):
    refused(http.put(path, json={"compatibility": "SIDEWAYS"}), 42203)


def test_a_subject_inherits_the_level_of_all_until_it_has_its_own(
    http, subject, record, register, registered
):
    with put_back(http, "/config", "compatibility"):
        http.put("/config", json={"compatibility": "NONE"})
        inherited = http.get(f"/config/{subject}", params={"defaultToGlobal": "true"}).json()
        assert inherited["compatibilityLevel"] == "NONE"
        registered(subject, record(a="int"))
        registered(subject, record(a="string"))
        http.put(f"/config/{subject}", json={"compatibility": "BACKWARD"})
        assert register(subject, record(a="int")).json()["id"]  # registered before: nothing to check
        assert register(subject, record(a="boolean")).status_code == 409


def test_a_level_may_be_set_before_there_is_a_subject(http, subject):
    http.put(f"/config/{subject}", json={"compatibility": "FULL"})
    assert subject not in http.get("/subjects").json()


def test_normalisation_can_be_set_for_a_subject(http, own_registry, subject, record, registered):
    http.put(f"/config/{subject}", json={"normalize": True})
    schema_id = registered(subject, record(a="int"))
    assert http.get(f"/schemas/ids/{schema_id}").json()["schema"].startswith('{"name":')


def test_a_read_only_subject_refuses_every_write(http, subject, record, register, registered, refused):
    schema_id = registered(subject, record(a="int"))
    assert http.put(f"/mode/{subject}", json={"mode": "READONLY"}).json() == {"mode": "READONLY"}
    refused(register(subject, record({"name": "b", "type": "int", "default": 0}, a="int")), 42205)
    refused(http.delete(f"/subjects/{subject}"), 42205)
    refused(http.delete(f"/subjects/{subject}/versions/1"), 42205)
    refused(http.put(f"/config/{subject}", json={"compatibility": "NONE"}), 42205)
    assert http.get(f"/subjects/{subject}/versions").json() == [1]
    assert registered(subject, record(a="int")) == schema_id
    body = {"schema": json.dumps(record(a="int"))}
    assert http.post(f"/subjects/{subject}", json=body).json()["id"] == schema_id
    http.put(f"/mode/{subject}", json={"mode": "READWRITE"})
    assert http.delete(f"/subjects/{subject}").json() == [1]


def test_a_read_only_registry_refuses_writes_but_for_subjects_with_their_own_mode(
    http, new_subject, record, register, registered, refused
):
    closed, opened = new_subject(), new_subject()
    with put_back(http, "/mode", "mode"):
        http.put("/mode", json={"mode": "READONLY"})
        http.put(f"/mode/{opened}", json={"mode": "READWRITE"})
        assert http.get("/mode").json() == {"mode": "READONLY"}
        refused(register(closed, record(a="int")), 42205)
        registered(opened, record(a="int"))


def test_a_mode_is_read_inherited_and_dropped(http, subject, refused):
    refused(http.get(f"/mode/{subject}"), 40409)
    assert http.get(f"/mode/{subject}", params={"defaultToGlobal": "true"}).json() == http.get("/mode").json()
    http.put(f"/mode/{subject}", json={"mode": "READONLY"})
    assert http.get(f"/mode/{subject}").json() == {"mode": "READONLY"}
    assert http.delete(f"/mode/{subject}").json() == {"mode": "READONLY"}
    refused(http.get(f"/mode/{subject}"), 40409)


def test_an_unknown_mode_is_42204(http, subject, refused):
    refused(http.put(f"/mode/{subject}", json={"mode": "SOMETIMES"}), 42204)


def test_a_wished_id_is_only_granted_in_import_mode(http, subject, record, register, registered, refused):
    refused(register(subject, record(a="int"), id=900_001, version=5), 42205)
    http.put(f"/mode/{subject}", json={"mode": "IMPORT"})
    refused(register(subject, record(a="int")), 42205)
    assert registered(subject, record(a="int"), id=900_001, version=5) == 900_001
    assert http.get(f"/subjects/{subject}/versions").json() == [5]
    refused(register(subject, record(a="string"), id=900_001, version=6), 42205)


def test_import_mode_skips_compatibility(http, subject, record, registered):
    http.put(f"/mode/{subject}", json={"mode": "IMPORT"})
    registered(subject, record(a="int"), id=900_011, version=1)
    registered(subject, record(a="string"), id=900_012, version=2)


def test_import_mode_needs_an_empty_subject_or_force(http, subject, record, registered, refused):
    registered(subject, record(a="int"))
    refused(http.put(f"/mode/{subject}", json={"mode": "IMPORT"}), 42205)
    forced = http.put(f"/mode/{subject}", params={"force": "true"}, json={"mode": "IMPORT"})
    assert forced.json() == {"mode": "IMPORT"}
