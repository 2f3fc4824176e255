"""Schemas that refer to schemas of other subjects."""

import json

import pytest

PERMANENT = {"permanent": "true"}


@pytest.fixture
def lead(new_subject, record, registered):
    """A registered schema to refer to: its subject and its full name."""
    subject = new_subject()
    registered(subject, record(email="string"))
    return subject, f"{record()['namespace']}.Thing"


@pytest.fixture
def user(lead):
    """A schema that uses it, and its references."""
    subject, name = lead
    schema = {"type": "record", "name": "User", "fields": [{"name": "lead", "type": name}]}
    return schema, [{"name": name, "subject": subject, "version": 1}]


def test_a_schema_may_use_the_names_of_what_it_refers_to(http, subject, user, registered):
    schema, references = user
    schema_id = registered(subject, schema, references=references)
    assert http.get(f"/schemas/ids/{schema_id}").json()["references"] == references
    assert http.get(f"/subjects/{subject}/versions/1").json()["references"] == references
    body = {"schema": json.dumps(schema), "references": references}
    assert http.post(f"/subjects/{subject}", json=body).json()["id"] == schema_id


def test_a_name_that_nothing_defines_is_refused(subject, user, register, refused):
    refused(register(subject, user[0]), 42201)


def test_a_reference_to_nothing_is_refused(subject, user, register, refused):
    schema, [reference] = user
    refused(register(subject, schema, references=[{**reference, "version": 9}]), 42201)


def test_who_refers_to_a_version_is_listed(http, lead, subject, user, registered):
    schema_id = registered(subject, user[0], references=user[1])
    assert http.get(f"/subjects/{lead[0]}/versions/1/referencedby").json() == [schema_id]
    assert http.get(f"/subjects/{lead[0]}/versions/latest/referencedby").json() == [schema_id]


def test_what_is_referred_to_can_not_be_deleted(http, lead, subject, user, registered, refused):
    registered(subject, user[0], references=user[1])
    refused(http.delete(f"/subjects/{lead[0]}/versions/1"), 42206)
    refused(http.delete(f"/subjects/{lead[0]}"), 42206)
    http.delete(f"/subjects/{subject}")
    assert http.delete(f"/subjects/{lead[0]}").json() == [1]
    refused(http.delete(f"/subjects/{lead[0]}", params=PERMANENT), 42206)
    http.delete(f"/subjects/{subject}", params=PERMANENT)
    assert http.delete(f"/subjects/{lead[0]}", params=PERMANENT).json() == [1]


def test_compatibility_looks_into_what_is_referred_to(
    http, lead, subject, user, record, registered, register
):
    schema, [reference] = user
    registered(subject, schema, references=[reference])
    http.put(f"/config/{lead[0]}", json={"compatibility": "NONE"})
    registered(lead[0], record(email="int"))
    changed = register(subject, schema, references=[{**reference, "version": 2}])
    assert changed.status_code == 409, changed.text


def test_references_of_references_are_followed(new_subject, subject, user, registered):
    middle = new_subject()
    registered(middle, user[0], references=user[1])
    outer = {"type": "record", "name": "Outer", "fields": [{"name": "user", "type": "User"}]}
    registered(subject, outer, references=[{"name": "User", "subject": middle, "version": 1}])


def test_a_name_may_not_be_defined_twice(subject, lead, user, record, register, refused):
    refused(register(subject, record(other="int"), references=user[1]), 42201)
