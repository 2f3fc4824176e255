"""Intake: a lead that comes once more is a duplicate; another lead under its id is told, never swallowed."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

import committed_contracts
from gate_fuzz import lead
from memory_registry import impatient_gate, register_committed
from signalbox.avro import encode, parse
from signalbox.control.models import MessageRejected
from signalbox.gate.control_records import ControlRecords
from signalbox.protocol.dead_letters import DeadLetter
from signalbox.protocol.names import SchemaId
from signalbox.protocol.reasons import Reason, Stage
from signalbox.protocol.records import Draft, Record, written
from signalbox_agent.testing import MemoryLog, MemoryRegistry
from signalbox_decide.history import CONTENT, TAKEN_IN_FROM, IntakeHistory, captured_identities
from signalbox_decide.intake import Intake
from signalbox_decide.records import DecisionRecords
from signalbox_decide.seen_ids import BEFORE, SeenIds

TYPE = "sdr.LeadCaptured"


class Door:
    """Intake with its gate, in memory."""

    def __init__(self) -> None:
        self.registry = MemoryRegistry()
        self.schema_id = self.registry.register(TYPE, committed_contracts.schema_text(TYPE))
        register_committed(self.registry, "control.")
        self.control = ControlRecords(self.registry)
        self.history = IntakeHistory(MemoryLog().recent)
        self.offset = 0

    async def opened(self) -> "Door":
        await self.control.load()
        return self

    async def takes(self, **fields: Any) -> Sequence[Draft]:
        self.offset += 1
        return await self.decides(self.lead_at(0, self.offset, **fields))

    def lead_at(self, partition: int, offset: int, **fields: Any) -> Record:
        datum = {"lead": {**lead(), **fields}}
        value = encode(self.schema_id, parse(committed_contracts.schema_text(TYPE)), datum)
        return Record("incoming_leads", partition, offset, b"lead-1", value)

    async def decides(self, record: Record) -> Sequence[Draft]:
        intake = Intake(impatient_gate(self.registry), self.history)
        return DecisionRecords(self.control).of(await intake.decide(record))

    def restarts(self, *copies: Draft) -> None:
        taken = SeenIds()
        for copy in copies:
            for one in captured_identities(written(copy)):
                taken.setdefault(one, 1e12, BEFORE)
        self.history = IntakeHistory(MemoryLog().recent)
        self.history.remember(0, taken)


@pytest.fixture
async def door() -> Door:
    return await Door().opened()


async def test_a_lead_is_copied_with_what_it_says_beside_it(door: Door) -> None:
    [copy] = await door.takes()
    assert copy.topic == "agent_messages"
    assert dict(copy.headers)[CONTENT]


async def test_a_copy_says_where_its_lead_was_taken_in(door: Door) -> None:
    [copy] = await door.decides(door.lead_at(3, 41))
    assert written(copy).header(TAKEN_IN_FROM) == b"incoming_leads/3/41"


async def test_a_lead_that_the_gate_refuses_was_stopped_at_intake(door: Door) -> None:
    dead_letter, audit = await door.decides(Record("incoming_leads", 0, 1, b"lead-1", b"no frame"))
    said = DeadLetter.of(written(dead_letter))
    assert (said.reason, said.stage) == (Reason.NOT_FRAMED, Stage.INTAKE)
    assert door.control.reread(MessageRejected, audit.value).stage == Stage.INTAKE


async def test_a_lead_at_the_same_offset_of_another_partition_is_a_redelivery_too(door: Door) -> None:
    assert await door.decides(door.lead_at(0, 7))
    assert await door.decides(door.lead_at(1, 7)) == []


async def test_what_was_taken_in_is_read_back_from_the_topic_of_the_copies(door: Door) -> None:
    topics = MemoryLog()
    await topics.publish(*await door.takes())
    door.history = IntakeHistory(topics.recent)
    await door.history.read_back()
    assert await door.takes() == []
    assert (await door.takes(name="Mallory"))[0].topic == "incoming_leads_dlt"


async def test_a_redelivery_writes_nothing_also_after_a_restart(door: Door) -> None:
    [copy] = await door.takes()
    assert await door.takes(captured_at=datetime(2027, 1, 1, tzinfo=UTC)) == []
    door.restarts(copy)
    assert await door.takes() == []


@pytest.mark.parametrize("restarted", [False, True])
async def test_the_same_id_with_other_content_is_a_dead_letter(door: Door, restarted: bool) -> None:
    [copy] = await door.takes()
    if restarted:
        door.restarts(copy)
    for _ in range(2):
        dead_letter, audit = await door.takes(name="Mallory")
        said = DeadLetter.of(written(dead_letter))
        assert (said.reason, said.stage, said.field) == (Reason.CONFLICT, Stage.INTAKE, "key")
        assert audit.topic == "governance_audit"
        assert b"Ada" not in (audit.value or b"") + b"".join(value or b"" for _, value in dead_letter.headers)
    assert await door.takes() == []


async def test_a_redelivery_that_a_newer_contract_wrote_is_a_duplicate_still(door: Door) -> None:
    [copy] = await door.takes()
    text = committed_contracts.schema_text(TYPE)
    schema = json.loads(text)
    schema["fields"].append({"name": "campaign", "type": "string", "default": "none", "doc": "Which."})
    newer = json.dumps(schema)
    newer_id = door.registry.register(TYPE, newer)
    for campaign, expected in (("none", 0), ("autumn", 2)):
        value = encode(SchemaId(newer_id), parse(newer), {"lead": lead(), "campaign": campaign})
        assert len(await door.decides(Record("incoming_leads", 0, 99, b"lead-1", value))) == expected
    door.restarts(copy)
    assert await door.takes() == []


async def test_a_replayed_conflict_is_refused_again_and_another_id_is_taken_in(door: Door) -> None:
    await door.takes()
    dead_letter, _ = await door.takes(name="Mallory")
    assert (await door.decides(replace(DeadLetter.of(written(dead_letter)).original, offset=50)))[
        0
    ].topic == ("incoming_leads_dlt")
    value = encode(
        door.schema_id,
        parse(committed_contracts.schema_text(TYPE)),
        {"lead": {**lead(), "lead_id": "lead-2", "name": "Mallory"}},
    )
    [copy] = await door.decides(Record("incoming_leads", 0, 51, b"lead-2", value))
    assert copy.key == b"lead-2"


CAMPAIGN = {"name": "campaign", "type": "string", "default": "none", "doc": "Which."}
NOTE = {"name": "note", "type": ["null", "string"], "default": None, "doc": "What else."}


def newer_version(door: Door, *fields: dict[str, Any], inside_the_lead: bool = False) -> tuple[str, SchemaId]:
    schema = json.loads(committed_contracts.schema_text(TYPE))
    (schema["fields"][0]["type"]["fields"] if inside_the_lead else schema["fields"]).extend(fields)
    text = json.dumps(schema)
    return text, door.registry.register(TYPE, text)


def written_by(version: tuple[str, SchemaId], datum: dict[str, Any]) -> Record:
    text, schema_id = version
    return Record("incoming_leads", 0, 99, b"lead-1", encode(schema_id, parse(text), datum))


@pytest.mark.parametrize("adopted_first", [False, True])
async def test_the_same_bytes_are_a_duplicate_whichever_contract_is_in_force(
    door: Door, adopted_first: bool
) -> None:
    newer = newer_version(door, CAMPAIGN)
    autumn = written_by(newer, {"lead": lead(), "campaign": "autumn"})
    if adopted_first:
        [copy] = await door.decides(autumn)
        door.registry.soft_delete(TYPE, 2)
    else:
        door.registry.soft_delete(TYPE, 2)
        [copy] = await door.decides(autumn)
        door.registry.register(TYPE, newer[0] + " ")
    assert await door.decides(replace(autumn, offset=100)) == []
    door.restarts(copy)
    assert await door.decides(replace(autumn, offset=101)) == []


async def test_a_difference_that_the_contract_in_force_does_not_read_is_a_conflict_still(door: Door) -> None:
    newer = newer_version(door, CAMPAIGN, NOTE)
    door.registry.soft_delete(TYPE, 2)
    assert (
        len(await door.decides(written_by(newer, {"lead": lead(), "campaign": "autumn", "note": None}))) == 1
    )
    for campaign, note, drafts in (
        ("winter", None, 2),
        ("autumn", "x", 2),
        ("none", None, 2),
        ("autumn", None, 0),
    ):
        again = written_by(newer, {"lead": lead(), "campaign": campaign, "note": note})
        assert len(await door.decides(replace(again, offset=100))) == drafts


async def test_what_the_old_contract_wrote_is_the_same_with_the_new_ones_defaults(door: Door) -> None:
    assert len(await door.takes()) == 1
    newer = newer_version(door, {**CAMPAIGN, "name": "budget"}, NOTE, inside_the_lead=True)
    said = written_by(newer, {"lead": {**lead(), "budget": "none", "note": None}})
    assert await door.decides(said) == []
    assert len(await door.decides(written_by(newer, {"lead": {**lead(), "budget": "1", "note": None}}))) == 2
    door.registry.soft_delete(TYPE, 2)
    assert await door.decides(said) == []
