"""GET /schemas… and GET /subjects…."""

import json

import pytest

V1_JSON = "application/vnd.schemaregistry.v1+json"


@pytest.mark.parametrize(
    "path", ["/", "/subjects", "/schemas/types", "/config", "/mode", "/schemas/ids/999999999"]
)
def test_answers_have_the_registrys_content_type(http, path):
    assert http.get(path).headers["content-type"] == V1_JSON


def test_who_accepts_only_plain_json_gets_plain_json(http):
    assert http.get("/subjects", headers={"accept": "application/json"}).headers["content-type"] == (
        "application/json"
    )


def test_the_root_is_an_empty_object(http):
    assert http.get("/").json() == {}


def test_avro_is_a_schema_type(http):
    assert "AVRO" in http.get("/schemas/types").json()


def test_a_schema_is_read_by_its_id(http, subject, record, registered):
    schema = record(a="int")
    schema_id = registered(subject, schema)
    assert json.loads(http.get(f"/schemas/ids/{schema_id}").json()["schema"]) == schema
    assert http.get(f"/schemas/ids/{schema_id}/schema").json() == schema
    assert (
        json.loads(http.get(f"/schemas/ids/{schema_id}", params={"subject": subject}).json()["schema"])
        == schema
    )


@pytest.mark.parametrize("part", ["", "/schema", "/subjects", "/versions"])
def test_an_unknown_id_is_40403(http, refused, part):
    refused(http.get(f"/schemas/ids/999999999{part}"), 40403)


def test_an_id_that_is_no_number_is_no_address(http):
    assert http.get("/schemas/ids/seven").status_code == 404


def test_subjects_and_versions_of_an_id_are_listed(http, new_subject, record, registered):
    one, two = new_subject(), new_subject()
    schema = record(a="int")
    schema_id = registered(one, schema)
    registered(two, schema)
    assert set(http.get(f"/schemas/ids/{schema_id}/subjects").json()) == {one, two}
    versions = http.get(f"/schemas/ids/{schema_id}/versions").json()
    assert sorted(v["subject"] for v in versions) == sorted([one, two])
    assert {v["version"] for v in versions} == {1}


def test_usages_can_be_asked_for_one_subject(http, own_registry, new_subject, record, registered):
    one, two = new_subject(), new_subject()
    schema = record(a="int")
    schema_id = registered(one, schema)
    registered(two, schema)
    only = {"subject": two}
    assert http.get(f"/schemas/ids/{schema_id}/subjects", params=only).json() == [two]
    assert http.get(f"/schemas/ids/{schema_id}/versions", params=only).json() == [
        {"subject": two, "version": 1}
    ]


@pytest.mark.parametrize("version", ["1", "latest", "-1"])
def test_a_version_is_read_by_number_or_as_the_latest(http, subject, record, registered, version):
    schema_id = registered(subject, record(a="int"))
    found = http.get(f"/subjects/{subject}/versions/{version}").json()
    assert (found["subject"], found["version"], found["id"]) == (subject, 1, schema_id)


@pytest.mark.parametrize("version", ["0", "-2", "first", "2147483648"])
def test_what_is_no_version_number_is_42202(http, subject, record, registered, refused, version):
    registered(subject, record(a="int"))
    refused(http.get(f"/subjects/{subject}/versions/{version}"), 42202)


def test_unknown_subject_and_unknown_version_differ(http, subject, record, registered, refused):
    refused(http.get(f"/subjects/{subject}/versions"), 40401)
    refused(http.get(f"/subjects/{subject}/versions/1"), 40401)
    refused(http.get(f"/subjects/{subject}/versions/latest"), 40401)
    registered(subject, record(a="int"))
    refused(http.get(f"/subjects/{subject}/versions/2"), 40402)
    refused(http.get(f"/subjects/{subject}/versions/2/schema"), 40402)


def test_subjects_are_listed_by_prefix_and_page(http, new_subject, record, registered):
    names = sorted(new_subject() for _ in range(3))
    for name in names:
        registered(name, record(a="int"))
    assert set(names) <= set(http.get("/subjects").json())
    assert http.get("/subjects", params={"subjectPrefix": names[1]}).json() == [names[1]]
    page = {"subjectPrefix": "t-", "offset": 0, "limit": 2}
    assert len(http.get("/subjects", params=page).json()) == 2


def test_all_schemas_are_listed_and_only_the_latest_on_request(http, subject, record, registered):
    registered(subject, record(a="int"))
    newest = registered(subject, record({"name": "b", "type": "int", "default": 0}, a="int"))
    mine = {"subjectPrefix": subject}
    assert [s["version"] for s in http.get("/schemas", params=mine).json()] == [1, 2]
    [latest] = http.get("/schemas", params={**mine, "latestOnly": "true"}).json()
    assert (latest["subject"], latest["version"], latest["id"]) == (subject, 2, newest)


def test_what_is_no_address_has_an_error_body(http, refused):
    refused(http.get("/no/such/address"), 404, 404)
    refused(http.patch("/subjects"), 405, 405)


def test_the_default_context_may_be_named(http, own_registry, subject, record, registered):
    registered(f":.:{subject}", record(a="int"))
    assert http.get(f"/subjects/{subject}/versions").json() == [1]
    assert http.get(f"/subjects/:.:{subject}/versions/1").json()["subject"] == subject
    for prefix in (f":*:{subject}", f":.:{subject}", subject):
        assert http.get("/subjects", params={"subjectPrefix": prefix}).json() == [subject]
        [found] = http.get("/schemas", params={"subjectPrefix": prefix}).json()
        assert found["subject"] == subject
    everything = http.get("/schemas", params={"subjectPrefix": ":*:"}).json()
    assert subject in {one["subject"] for one in everything}
    assert http.get("/contexts").json() == ["."]


def test_another_context_is_refused_and_holds_nothing(http, own_registry, subject, record, register, refused):
    for other in (f":staging:{subject}", f":.x:{subject}", ":staging:"):
        refused(register(other, record(a="int")), 42208)
        refused(http.get(f"/subjects/{other}/versions"), 42208)
        assert http.get("/subjects", params={"subjectPrefix": other}).json() == []
        assert http.get("/schemas", params={"subjectPrefix": other}).json() == []


@pytest.mark.parametrize(
    "path", ["/subjects", "/schemas/types", "/config", "/subjects/{}/versions", "/schemas/ids/{}"]
)
def test_a_slash_at_the_end_and_head_are_answered(http, own_registry, subject, record, registered, path):
    schema_id = registered(subject, record(a="int"))
    path = path.format(schema_id if "ids" in path else subject)
    answer = http.get(path)
    assert answer.status_code == 200
    assert http.get(f"{path}/").json() == answer.json()
    head = http.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == answer.headers["content-type"]
