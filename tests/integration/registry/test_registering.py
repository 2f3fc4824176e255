"""POST /subjects/{subject}/versions and POST /subjects/{subject}."""

import json
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

GOVERNED = (
    '{"type": "record",  "name":"Mail", "namespace": "NS", "confluent:rules": '
    '[ {"name": "sane", "doc": "é ✓", "expr": "this.to != \\"\\""} ],\n'
    ' "fields": [ {"name":"to","type":"string","confluent:tags":["PII"], "z": 1.50, "a": null} ] }'
)


def test_the_same_schema_under_two_subjects_has_one_id(new_subject, record, registered):
    schema = record(a="int")
    assert registered(new_subject(), schema) == registered(new_subject(), schema)


def test_two_schemas_have_two_ids(new_subject, record, registered):
    assert registered(new_subject(), record(a="int")) != registered(new_subject(), record(b="int"))


def test_registering_again_gives_the_same_id_and_no_new_version(http, subject, record, registered):
    schema = record(a="int")
    first = registered(subject, schema)
    assert registered(subject, json.dumps(schema, indent=4)) == first
    assert http.get(f"/subjects/{subject}/versions").json() == [1]


def test_versions_count_from_one_in_each_subject(http, subject, record, registered):
    registered(subject, record(a="int"))
    registered(subject, record({"name": "b", "type": "int", "default": 0}, a="int"))
    assert http.get(f"/subjects/{subject}/versions").json() == [1, 2]


def test_another_spelling_of_the_same_names_is_the_same_schema(subject, record, registered):
    schema = record(a="int")
    full = {
        "name": f"{schema['namespace']}.Thing",
        "type": "record",
        "fields": [{"type": {"type": "int"}, "name": "a"}],
    }
    assert registered(subject, schema) == registered(subject, full)


def test_another_doc_or_custom_property_is_another_schema(new_subject, record, registered):
    schema = record(a="int")
    ids = {
        registered(new_subject(), schema),
        registered(new_subject(), {**schema, "doc": "said"}),
        registered(new_subject(), {**schema, "confluent:rules": []}),
    }
    assert len(ids) == 3


def test_custom_properties_come_back_as_they_were_sent(http, own_registry, subject, record, registered):
    text = GOVERNED.replace("NS", record()["namespace"])
    schema_id = registered(subject, text)
    assert http.get(f"/schemas/ids/{schema_id}").json()["schema"] == text
    assert http.get(f"/schemas/ids/{schema_id}/schema").content == text.encode()
    assert http.get(f"/subjects/{subject}/versions/1").json()["schema"] == text
    assert http.get(f"/subjects/{subject}/versions/latest/schema").text == text


def test_custom_properties_keep_their_values(http, subject, record, registered):
    text = GOVERNED.replace("NS", record()["namespace"])
    schema_id = registered(subject, text)
    assert json.loads(http.get(f"/schemas/ids/{schema_id}").json()["schema"]) == json.loads(text)


def test_normalisation_orders_attributes_and_keeps_docs_and_properties(http, subject, record, registered):
    field = {"doc": "d", "confluent:tags": ["PII"], "type": {"type": "string"}, "name": "a", "default": ""}
    schema = {"confluent:rules": [{"b": 1, "a": 2}], **record(field), "doc": "what"}
    schema_id = registered(subject, schema, params={"normalize": "true"})
    stored = json.loads(http.get(f"/schemas/ids/{schema_id}").json()["schema"])
    [stored_field] = stored["fields"]
    assert stored["name"] == f"{schema['namespace']}.Thing"
    assert (stored["doc"], stored["confluent:rules"]) == ("what", [{"b": 1, "a": 2}])
    assert stored_field == {
        "name": "a",
        "type": "string",
        "doc": "d",
        "confluent:tags": ["PII"],
        "default": "",
    }
    assert next(iter(stored)) == next(iter(stored_field)) == "name"


def test_normalised_and_plain_text_are_the_same_schema_when_looked_up(http, subject, record, registered):
    schema = record(a="int")
    schema_id = registered(subject, schema, params={"normalize": "true"})
    found = http.post(
        f"/subjects/{subject}", params={"normalize": "true"}, json={"schema": json.dumps(schema)}
    )
    assert found.json()["id"] == schema_id


def test_many_who_register_one_schema_at_once_get_one_id_and_one_version(http, subject, record, registered):
    schema = record(a="int")
    with ThreadPoolExecutor(16) as pool:
        ids = set(pool.map(lambda _: registered(subject, schema), range(64)))
    assert len(ids) == 1
    assert http.get(f"/subjects/{subject}/versions").json() == [1]


def test_many_who_register_different_schemas_at_once_get_different_ids(new_subject, record, registered):
    subjects = [new_subject() for _ in range(24)]
    with ThreadPoolExecutor(12) as pool:
        ids = list(
            pool.map(lambda item: registered(item[1], record(**{f"f{item[0]}": "int"})), enumerate(subjects))
        )
    assert len(set(ids)) == len(ids)


def test_a_subject_may_have_any_characters(http, new_subject, record, registered):
    subject = new_subject("/a b%2F+?#:ü&=.Lead")
    registered(subject, record(a="int"))
    assert http.get(f"/subjects/{subject}/versions/1").json()["subject"] == unquote(subject)
    assert unquote(subject) in http.get("/subjects").json()


def test_a_subject_with_control_characters_is_refused(new_subject, record, register, refused):
    refused(register(new_subject("\x07"), record(a="int")), 42208)


def test_lookup_finds_id_and_version(http, subject, record, registered):
    schema = record(a="int")
    schema_id = registered(subject, schema)
    found = http.post(f"/subjects/{subject}", json={"schema": json.dumps(schema, indent=2)}).json()
    assert (found["subject"], found["version"], found["id"]) == (subject, 1, schema_id)
    assert json.loads(found["schema"]) == schema


def test_lookup_tells_an_unknown_subject_from_an_unknown_schema(http, subject, record, registered, refused):
    body = {"schema": json.dumps(record(b="int"))}
    refused(http.post(f"/subjects/{subject}", json=body), 40401)
    registered(subject, record(a="int"))
    refused(http.post(f"/subjects/{subject}", json=body), 40403)


def test_metadata_and_rule_set_are_kept_and_make_another_schema(http, new_subject, record, registered):
    schema, metadata = record(a="int"), {"properties": {"owner": "sdr"}}
    plain, subject = registered(new_subject(), schema), new_subject()
    assert registered(subject, schema, metadata=metadata) != plain
    assert http.get(f"/subjects/{subject}/versions/1").json()["metadata"]["properties"] == {"owner": "sdr"}


def test_a_version_that_is_not_the_next_one_is_refused(subject, record, register, refused):
    refused(register(subject, record(a="int"), version=7), 42201)
