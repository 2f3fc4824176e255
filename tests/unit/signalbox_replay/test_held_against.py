"""What a dead letter was written with, which contract it is held against, and how much of it can be read."""

import json
from typing import Any

import pytest

from signalbox.avro import Limits, decode, encode, parse, unframe
from signalbox.gate import Contracts
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import RecordType, SchemaId, Subject
from signalbox.protocol.reasons import Reason
from signalbox_agent.testing import MemoryRegistry
from signalbox_operations.replay.editing import editable
from signalbox_operations.replay.held_against import (
    Written,
    best_effort,
    contract_as_dict,
    contract_at,
    written_with,
)

PLACED = RecordType("shop.Placed")
NO_WIRE_FORMAT = "the value is not in the wire format (magic byte 0, schema id, Avro)"


def schema(*fields: dict[str, Any]) -> str:
    first = {"name": "order_id", "type": "string"}
    return json.dumps({"type": "record", "name": "Placed", "namespace": "shop", "fields": [first, *fields]})


FIRST = schema()
SECOND = schema({"name": "table", "type": "int", "default": 0})
VALUE = encode(SchemaId(1), parse(FIRST), {"order_id": "o-1"})


@pytest.fixture
def registry() -> MemoryRegistry:
    made = MemoryRegistry()
    made.register(PLACED, FIRST)
    made.register(PLACED, SECOND)
    return made


async def test_a_value_names_its_schema_and_where_that_is_registered(registry):
    registry.register("other-value", FIRST, version=4)
    written = await written_with(registry, VALUE)
    assert written is not None
    assert written.as_dict() == {
        "schema_id": 1,
        "record_type": PLACED,
        "registered_as": [{"subject": "other-value", "version": 4}, {"subject": PLACED, "version": 1}],
    }


@pytest.mark.parametrize("value", [None, b"", b"text", b"\x00\x00"])
async def test_what_is_not_framed_was_written_with_nothing(registry, value):
    assert await written_with(registry, value) is None


async def test_an_id_that_the_registry_does_not_know_has_no_schema_and_no_record_type(registry):
    written = await written_with(registry, b"\x00\x00\x00\x00\x09rest")
    assert written == Written(SchemaId(9), None, ())
    assert written.record_type is None


async def test_a_schema_that_is_not_safe_to_use_is_none(registry):
    registry.register("bad", "{", schema_id=7)
    assert await written_with(registry, b"\x00\x00\x00\x00\x07rest") == Written(
        SchemaId(7), None, ((Subject("bad"), 1),)
    )


async def test_a_registry_that_refuses_one_id_leaves_its_schema_unknown(registry):
    async def refuse(_: SchemaId) -> str | None:
        raise Refusal(Reason.UNKNOWN_SCHEMA, "not now")

    registry.schema_text = refuse
    assert await written_with(registry, VALUE) == Written(SchemaId(1), None, ())


async def test_the_contract_is_the_version_that_is_asked_for_or_the_one_in_force(registry):
    contracts = Contracts(registry)
    version, schema_id, found = await contract_at(registry, contracts, PLACED, None)
    assert (version, schema_id, found.text) == (2, 2, SECOND)
    version, schema_id, found = await contract_at(registry, contracts, PLACED, 1)
    assert (version, schema_id, found.text) == (1, 1, FIRST)


async def test_a_version_that_there_is_not_is_refused_with_those_that_there_are(registry):
    with pytest.raises(Refusal) as told:
        await contract_at(registry, Contracts(registry), PLACED, 3)
    assert (told.value.reason, told.value.detail) == (
        Reason.UNKNOWN_SCHEMA,
        "shop.Placed has no version 3; registered versions: 1, 2",
    )
    with pytest.raises(Refusal, match="registered versions: none"):
        await contract_at(registry, Contracts(registry), RecordType("shop.Paid"), 1)


async def test_where_no_version_can_be_held_to_that_is_the_refusal(registry):
    with pytest.raises(Refusal) as told:
        await contract_at(registry, Contracts(registry), RecordType("shop.Paid"), None)
    assert (told.value.reason, told.value.detail) == (
        Reason.INCOMPATIBLE,
        "no version of shop.Paid can be held to now",
    )


async def test_the_contract_in_force_is_told_by_type_version_and_id(registry):
    assert contract_as_dict(await Contracts(registry).get(PLACED)) == {
        "record_type": PLACED,
        "version": 2,
        "schema_id": 2,
    }
    assert contract_as_dict(None) is None


def written(text: str | None) -> Written:
    return Written(SchemaId(1), None if text is None else parse(text), ())


def test_a_value_is_read_as_the_contract_says_where_that_can_be():
    assert best_effort(VALUE, written(FIRST), parse(SECOND)) == ({"order_id": "o-1", "table": 0}, "")


def test_a_value_that_the_contract_can_not_read_is_read_as_it_was_written():
    reader = parse(schema({"name": "table", "type": "int"}))
    datum, problem = best_effort(VALUE, written(FIRST), reader)
    assert datum == {"order_id": "o-1"}
    assert problem.startswith("the contract can't read it: ")


@pytest.mark.parametrize("reader", [FIRST, SECOND])
def test_bytes_behind_the_datum_are_left_out_and_told(reader):
    datum, problem = best_effort(VALUE + b"more", written(FIRST), parse(reader))
    assert datum == {"order_id": "o-1"}
    assert problem == "MALFORMED: 4 bytes are left over after the datum, at byte 4 of the Avro body"


def test_of_a_datum_that_ends_too_early_nothing_is_read():
    datum, problem = best_effort(VALUE[:-1], written(FIRST), parse(FIRST))
    assert datum is None
    assert problem.startswith("MALFORMED: ")
    assert problem.endswith(" (at order_id)")


def test_a_value_that_only_its_data_keep_the_contract_from_reading_can_be_edited_as_it_is_shown():
    """Bytes are read as a text where they are UTF-8: the schemas alone say nothing against it."""
    writer, reader = (parse(schema({"name": "note", "type": kind})) for kind in ("bytes", "string"))
    value = encode(SchemaId(1), writer, {"order_id": "o-1", "note": b"\xff"})
    datum, problem = best_effort(value, Written(SchemaId(1), writer, ()), reader)
    assert datum == {"order_id": "o-1", "note": b"\xff"}
    assert problem.startswith("the contract can't read it: INCOMPATIBLE: ")
    form = editable(datum, problem, (2, SchemaId(2), reader), value)
    assert decode(unframe(form.encoded(form.text))[1], reader)["note"] == "\xff"


def test_a_person_sees_a_message_that_is_larger_than_the_gate_lets_in():
    long = schema({"name": "note", "type": "string"})
    datum = {"order_id": "o-1", "note": "x" * (Limits().max_bytes + 1)}
    value = encode(SchemaId(1), parse(long), datum, Limits(max_bytes=10**9))
    assert best_effort(value, written(long), parse(long)) == (datum, "")
    without, problem = best_effort(value, written(long), parse(schema({"name": "note", "type": "int"})))
    assert (without, problem.partition(": ")[0]) == (datum, "the contract can't read it")
    assert best_effort(value + b"more", written(long), parse(long))[0] == datum


def test_a_value_whose_schema_is_unknown_is_not_read():
    assert best_effort(VALUE, written(None), parse(FIRST)) == (
        None,
        "schema id 1 is unknown to the registry, or not safe to use",
    )


@pytest.mark.parametrize(
    ("value", "datum", "problem"),
    [
        (b'{"order_id": "o-1"}', {"order_id": "o-1"}, f"{NO_WIRE_FORMAT}; it is JSON"),
        (b"[1]", None, NO_WIRE_FORMAT),
        (b"text", None, NO_WIRE_FORMAT),
        (b"", None, NO_WIRE_FORMAT),
        (None, None, NO_WIRE_FORMAT),
    ],
)
def test_of_what_is_not_framed_a_json_object_is_taken_as_it_is(value, datum, problem):
    assert best_effort(value, None, parse(FIRST)) == (datum, problem)
