"""DELETE /subjects/{subject} and DELETE /subjects/{subject}/versions/{version}."""

import json

import pytest

PERMANENT = {"permanent": "true"}
DELETED = {"deleted": "true"}


@pytest.fixture
def two_versions(subject, record, registered):
    """A subject with two versions; their schema ids."""
    first = registered(subject, record(a="int"))
    return first, registered(subject, record({"name": "b", "type": "int", "default": 0}, a="int"))


def test_a_soft_deleted_version_is_hidden_but_its_id_is_not(http, subject, two_versions, refused):
    _, second = two_versions
    assert http.delete(f"/subjects/{subject}/versions/2").json() == 2
    refused(http.get(f"/subjects/{subject}/versions/2"), 40402)
    assert http.get(f"/subjects/{subject}/versions").json() == [1]
    assert http.get(f"/subjects/{subject}/versions/latest").json()["version"] == 1
    assert http.get(f"/schemas/ids/{second}").status_code == 200
    assert http.get(f"/subjects/{subject}/versions", params=DELETED).json() == [1, 2]
    assert http.get(f"/subjects/{subject}/versions", params={"deletedOnly": "true"}).json() == [2]
    assert http.get(f"/subjects/{subject}/versions/2", params=DELETED).json()["id"] == second


def test_usages_of_an_id_include_deleted_versions_on_request(http, subject, two_versions):
    _, second = two_versions
    http.delete(f"/subjects/{subject}/versions/latest")
    assert http.get(f"/schemas/ids/{second}/versions").json() == []
    assert http.get(f"/schemas/ids/{second}/subjects").json() == []
    assert http.get(f"/schemas/ids/{second}/versions", params=DELETED).json() == [
        {"subject": subject, "version": 2}
    ]
    assert http.get(f"/schemas/ids/{second}/subjects", params=DELETED).json() == [subject]


def test_lookup_finds_a_deleted_schema_on_request(http, subject, record, registered, refused):
    body = {"schema": json.dumps(record(a="int"))}
    schema_id = registered(subject, record(a="int"))
    http.delete(f"/subjects/{subject}")
    refused(http.post(f"/subjects/{subject}", json=body), 40401)
    assert http.post(f"/subjects/{subject}", params=DELETED, json=body).json()["id"] == schema_id


def test_registering_again_after_a_soft_delete_gives_a_new_version_of_the_same_id(
    http, subject, record, registered, two_versions
):
    _, second = two_versions
    http.delete(f"/subjects/{subject}/versions/2")
    again = registered(subject, record({"name": "b", "type": "int", "default": 0}, a="int"))
    assert again == second
    assert http.get(f"/subjects/{subject}/versions").json() == [1, 3]
    assert {"subject": subject, "version": 3} in http.get(f"/schemas/ids/{second}/versions").json()


def test_the_number_of_a_soft_deleted_version_is_not_given_again(
    http, subject, record, registered, two_versions
):
    http.delete(f"/subjects/{subject}/versions/2")
    registered(subject, record({"name": "c", "type": "int", "default": 0}, a="int"))
    assert http.get(f"/subjects/{subject}/versions").json() == [1, 3]


def test_a_deleted_version_no_longer_decides_compatibility(
    http, subject, record, register, registered, refused
):
    registered(subject, record(a="int"))
    assert register(subject, record(a="string")).status_code == 409
    http.delete(f"/subjects/{subject}/versions/1")
    assert register(subject, record(a="string")).status_code == 200


def test_a_version_is_deleted_softly_before_it_is_deleted_for_good(http, subject, two_versions, refused):
    refused(http.delete(f"/subjects/{subject}/versions/2", params=PERMANENT), 40407)
    http.delete(f"/subjects/{subject}/versions/2")
    refused(http.delete(f"/subjects/{subject}/versions/2"), 40406)
    assert http.delete(f"/subjects/{subject}/versions/2", params=PERMANENT).json() == 2
    refused(http.delete(f"/subjects/{subject}/versions/2", params=PERMANENT), 40402)
    refused(http.get(f"/schemas/ids/{two_versions[1]}"), 40403)


def test_deleting_what_is_not_there_says_so(http, subject, record, registered, refused):
    refused(http.delete(f"/subjects/{subject}"), 40401)
    refused(http.delete(f"/subjects/{subject}", params=PERMANENT), 40401)
    refused(http.delete(f"/subjects/{subject}/versions/1"), 40401)
    registered(subject, record(a="int"))
    refused(http.delete(f"/subjects/{subject}/versions/9"), 40402)
    refused(http.delete(f"/subjects/{subject}/versions/none"), 42202)


def test_a_soft_deleted_subject_is_hidden_and_comes_back_with_a_new_version(
    http, subject, record, registered, two_versions, refused
):
    assert http.delete(f"/subjects/{subject}").json() == [1, 2]
    refused(http.delete(f"/subjects/{subject}"), 40404)
    refused(http.get(f"/subjects/{subject}/versions"), 40401)
    mine = {"subjectPrefix": subject}
    assert http.get("/subjects", params=mine).json() == []
    assert http.get("/subjects", params={**mine, **DELETED}).json() == [subject]
    assert http.get("/subjects", params={**mine, "deletedOnly": "true"}).json() == [subject]
    registered(subject, record(z="string"))
    assert http.get(f"/subjects/{subject}/versions").json() == [3]


def test_a_subject_is_deleted_softly_before_it_is_deleted_for_good(
    http, subject, record, registered, refused
):
    schema_id = registered(subject, record(a="int"))
    refused(http.delete(f"/subjects/{subject}", params=PERMANENT), 40405)
    http.delete(f"/subjects/{subject}")
    assert http.delete(f"/subjects/{subject}", params=PERMANENT).json() == [1]
    refused(http.get(f"/schemas/ids/{schema_id}"), 40403)
    assert http.get("/subjects", params={"subjectPrefix": subject, **DELETED}).json() == []


def test_a_subject_that_was_deleted_for_good_starts_again_at_one(
    http, subject, record, registered, two_versions
):
    http.delete(f"/subjects/{subject}")
    http.delete(f"/subjects/{subject}", params=PERMANENT)
    again = registered(subject, record(a="string"))
    assert again not in two_versions
    assert http.get(f"/subjects/{subject}/versions").json() == [1]


def test_a_schema_stays_while_another_subject_has_it(http, new_subject, record, registered):
    one, two = new_subject(), new_subject()
    schema_id = registered(one, record(a="int"))
    registered(two, record(a="int"))
    http.delete(f"/subjects/{one}")
    http.delete(f"/subjects/{one}", params=PERMANENT)
    assert http.get(f"/schemas/ids/{schema_id}").status_code == 200
    assert http.get(f"/schemas/ids/{schema_id}/subjects").json() == [two]
