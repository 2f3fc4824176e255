"""The system's own events: written by the contracts of this process, read whichever contract wrote them."""

import json

import pytest

import committed_contracts
from memory_registry import register_committed
from signalbox.avro import encode, parse
from signalbox.control.models import MessageDiscarded, MessageReplayed, RouteDecided
from signalbox.gate.control_records import ControlRecords, record_type_of
from signalbox.protocol.errors import Refusal, Unavailable
from signalbox.protocol.names import GOVERNANCE_AUDIT
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Record
from signalbox_agent.testing import MemoryRegistry

DISCARDED = "control.MessageDiscarded"
EVENT = MessageDiscarded(
    message_id="m-1",
    who="rev@ops",
    reason="no use",
    dead_letter_topic="agent_messages_dlt",
    dead_letter_partition=3,
    dead_letter_offset=17,
)


@pytest.fixture
def registry() -> MemoryRegistry:
    made = MemoryRegistry()
    register_committed(made)
    return made


@pytest.fixture
async def control(registry: MemoryRegistry) -> ControlRecords:
    made = ControlRecords(registry)
    await made.load()
    return made


def read(value: bytes | None) -> Record:
    return Record(GOVERNANCE_AUDIT, 0, 0, None, value)


async def test_what_is_written_is_read_again_without_a_question(
    registry: MemoryRegistry, control: ControlRecords
) -> None:
    registry.asked.clear()
    value = control.write(EVENT)
    assert await control.read(MessageDiscarded, read(value)) == EVENT
    assert control.reread(MessageDiscarded, value) == EVENT
    assert registry.asked == []


async def test_a_contract_that_is_not_registered_is_waited_for_and_named() -> None:
    registry = MemoryRegistry()
    with pytest.raises(Unavailable) as told:
        await ControlRecords(registry).load()
    assert str(told.value) == (
        "contracts is unavailable: this version of control.RouteDecided is not registered;"
        " run `signalbox contracts register`"
    )
    register_committed(registry)
    await ControlRecords(registry).load()


async def test_what_a_newer_version_of_the_code_wrote_is_read_and_its_schema_asked_for_once(
    registry: MemoryRegistry, control: ControlRecords
) -> None:
    newer = json.loads(committed_contracts.schema_text(DISCARDED))
    newer["fields"].append({"name": "more", "type": "string"})
    text = json.dumps(newer)
    value = encode(registry.register(DISCARDED, text), parse(text), {**EVENT.model_dump(), "more": "x"})
    registry.asked.clear()
    for _ in range(2):
        assert await control.read(MessageDiscarded, read(value)) == EVENT
    assert [what for what, _ in registry.asked] == ["schema_text"]


async def test_what_is_no_such_event_is_refused_with_what_it_is(
    registry: MemoryRegistry, control: ControlRecords
) -> None:
    value = control.write(EVENT)
    schema_id = int.from_bytes(value[1:5], "big")
    for given, model, reason, detail in (
        (
            b"\0\0\0\x03\xe7x",
            MessageDiscarded,
            Reason.UNKNOWN_SCHEMA,
            "the registry does not know the schema id 999",
        ),
        (
            value,
            MessageReplayed,
            Reason.NOT_ADMITTED,
            f"schema {schema_id} is control.MessageDiscarded, expected control.MessageReplayed",
        ),
        (None, MessageDiscarded, Reason.NOT_FRAMED, "the value is empty"),
    ):
        with pytest.raises(Refusal) as told:
            await control.read(model, read(given))
        assert (told.value.reason, told.value.detail) == (reason, detail)


def test_a_control_models_record_type_is_its_name_in_the_control_namespace() -> None:
    assert [record_type_of(model) for model in (RouteDecided, MessageDiscarded)] == [
        "control.RouteDecided",
        DISCARDED,
    ]
