"""What is no schema or no request is refused, and the registry goes on."""

import gzip
import json

import pytest

BAD_SCHEMAS = {
    "nothing": "",
    "white space": "  \n",
    "no JSON": "{not json",
    "cut off": '{"type":"record","name":"R","fields":[',
    "a number": "7",
    "null": "null",
    "an unknown type": '"strnig"',
    "an unknown complex type": '{"type":"tuple","items":"int"}',
    "a record without a name": '{"type":"record","fields":[]}',
    "a record without fields": '{"type":"record","name":"R"}',
    "a field without a type": '{"type":"record","name":"R","fields":[{"name":"a"}]}',
    "a field without a name": '{"type":"record","name":"R","fields":[{"type":"int"}]}',
    "a field twice": '{"type":"record","name":"R","fields":[%s,%s]}' % (('{"name":"a","type":"int"}',) * 2),
    "a bad name": '{"type":"record","name":"R-1","fields":[]}',
    "an undefined name": '{"type":"record","name":"R","fields":[{"name":"a","type":"n.Missing"}]}',
    "a name defined twice": '[{"type":"fixed","name":"F","size":1},{"type":"fixed","name":"F","size":2}]',
    "a symbol twice": '{"type":"enum","name":"E","symbols":["A","A"]}',
    "an enum default that is no symbol": '{"type":"enum","name":"E","symbols":["A"],"default":"B"}',
    "a fixed without a size": '{"type":"fixed","name":"F"}',
    "a fixed of a negative size": '{"type":"fixed","name":"F","size":-1}',
    "an array without items": '{"type":"array"}',
    "a union in a union": '["null",["int"]]',
    "a type twice in a union": '["int","int"]',
}


@pytest.mark.parametrize("what", BAD_SCHEMAS)
def test_what_is_no_schema_is_42201(http, subject, register, refused, what):
    assert refused(register(subject, BAD_SCHEMAS[what]), 42201)
    assert http.get("/subjects", params={"subjectPrefix": subject}).json() == []


@pytest.mark.parametrize(
    "bomb",
    [
        '{"type":"array","items":' * 20_000 + '"int"' + "}" * 20_000,
        "[" * 200_000,
        '{"type":"record","name":"R","p":' + "[" * 5_000 + "]" * 5_000 + ',"fields":[]}',
    ],
    ids=["nested arrays", "open brackets", "a nested property"],
)
def test_deep_nesting_is_refused_and_does_no_harm(http, own_registry, subject, register, refused, bomb):
    refused(register(subject, bomb), 42201)
    assert http.get("/").status_code == 200


def test_a_long_chain_of_types_does_no_harm(http, own_registry, subject, register, refused):
    inner = {"type": "record", "name": "T0", "fields": []}
    chain = [inner] + [
        {"type": "record", "name": f"T{n}", "fields": [{"name": "f", "type": f"T{n - 1}"}]}
        for n in range(1, 3000)
    ]
    assert register(subject, chain).status_code == 200
    changed = json.dumps(chain).replace('"fields": []', '"fields": [{"name": "x", "type": "int"}]', 1)
    assert register(subject, changed).status_code in (409, 422)
    assert http.get("/").status_code == 200


def test_a_type_that_is_not_avro_is_refused(subject, record, register, refused):
    refused(register(subject, record(a="int"), schemaType="NO_SUCH_TYPE"), 42201)


def test_a_body_without_a_schema_is_refused(http, subject, refused):
    refused(http.post(f"/subjects/{subject}/versions", json={}), 42201)


@pytest.mark.parametrize("body", [b"{", b"not json", b"\xff\xfe", b"[]", b'{"schema": 7}', b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(http, own_registry, subject, refused, body):
    headers = {"content-type": "application/vnd.schemaregistry.v1+json"}
    refused(http.post(f"/subjects/{subject}/versions", content=body, headers=headers), 400, 400)


def test_an_empty_body_is_refused(http, subject):
    headers = {"content-type": "application/vnd.schemaregistry.v1+json"}
    assert http.post(f"/subjects/{subject}/versions", headers=headers).status_code in (400, 422)


def test_a_body_of_another_content_type_is_refused(http, subject):
    answer = http.post(f"/subjects/{subject}/versions", data={"schema": '"int"'})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    "reference", [7, {}, {"name": "n", "subject": "s"}, {"name": "n", "subject": "s", "version": "1"}]
)
def test_a_reference_that_is_none_is_refused(own_registry, subject, record, register, refused, reference):
    refused(register(subject, record(a="int"), references=[reference]), 400, 400)


def test_a_body_over_one_mebibyte_is_refused(http, own_registry, subject, record, register, refused):
    assert register(subject, {**record(a="int"), "doc": "x" * 900_000}).status_code == 200
    refused(register(subject, {**record(b="int"), "doc": "x" * 1_100_000}), 413, 413)
    assert http.get("/").status_code == 200


def test_lone_surrogates_are_refused(own_registry, subject, register, refused):
    text = '{"type":"record","name":"R","doc":"\\ud800","fields":[]}'
    refused(register(subject, text), 42201)


def test_a_default_of_another_type_is_refused(own_registry, subject, record, register, refused):
    refused(register(subject, record({"name": "a", "type": "int", "default": "seven"})), 42201)


SCHEMA = json.dumps({"schema": '"int"'}).encode()


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/octet-stream", "multipart/form-data; boundary=x", "a"]
)
def test_a_body_that_a_web_page_may_send_unasked_is_refused(http, own_registry, subject, content_type):
    headers = {"content-type": content_type} if content_type else {}
    for method, path in (("POST", f"/subjects/{subject}/versions"), ("POST", f"/subjects/{subject}")):
        assert http.request(method, path, content=SCHEMA, headers=headers).status_code == 415
    assert http.put("/config", content=b'{"compatibility": "NONE"}', headers=headers).status_code == 415
    assert http.get("/subjects", params={"subjectPrefix": subject}).json() == []


@pytest.mark.parametrize(
    "body",
    [
        {"compatibilityLevel": "NONE"},
        {"compatibility": "FULL", "validateFields": True},
        {"alias": "x"},
        {"Compatibility": "NONE"},
        {"defaultRuleSet": {}},
        {"compatibility": "NONE", "modes": "READONLY"},
    ],
)
def test_a_setting_that_would_be_ignored_is_refused(http, own_registry, subject, body):
    before = http.get("/config").json()
    assert http.put(f"/config/{subject}", json=body).status_code == 422
    assert http.put("/config", json=body).status_code == 422
    assert http.put(f"/mode/{subject}", json={"mode": "READONLY"} | body).status_code == 422
    assert http.get("/config").json() == before
    assert http.get(f"/config/{subject}").status_code == 404


@pytest.mark.parametrize("host", ["evil.example", "evil.example:18081", "127.0.0.1.evil.example", ""])
def test_a_page_under_another_name_reads_and_writes_nothing(http, own_registry, subject, host):
    assert http.get("/subjects", headers={"host": host}).status_code == 421
    answer = http.post(f"/subjects/{subject}/versions", json={"schema": '"int"'}, headers={"host": host})
    assert answer.status_code == 421
    assert http.get("/healthz", headers={"host": host}).status_code == 200
    assert http.get("/subjects", headers={"host": "localhost:18081"}).status_code == 200


@pytest.mark.parametrize("name", ["gzip", "x-gzip", "GZIP"])
def test_a_packed_body_is_unpacked(http, own_registry, subject, name):
    headers = {"content-type": "application/json", "content-encoding": name}
    packed = gzip.compress(SCHEMA)
    answer = http.post(f"/subjects/{subject}/versions", content=packed, headers=headers)
    assert answer.status_code == 200
    assert http.get(f"/subjects/{subject}/versions/1/schema").json() == "int"


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (gzip.compress(b" " * 50_000_000), "gzip", 413),
        (gzip.compress(SCHEMA)[:-3], "gzip", 400),
        (gzip.compress(SCHEMA) + b"more", "gzip", 400),
        (SCHEMA, "gzip", 400),
        (SCHEMA, "br", 415),
        (SCHEMA, "gzip, gzip", 415),
    ],
    ids=["a bomb", "cut off", "with more behind it", "not packed", "another encoding", "packed twice"],
)
def test_a_packed_body_is_bounded_and_whole(http, own_registry, subject, body, encoding, status):
    headers = {"content-type": "application/json", "content-encoding": encoding}
    answer = http.post(f"/subjects/{subject}/versions", content=body, headers=headers)
    assert answer.status_code == status
