"""Dead letters come back: mended by the command, sent in again once, or given up, and the lead goes on."""

import asyncio
import json
import sys
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import committed_contracts
from operating import Operator, lead
from signalbox.avro import encode, parse
from signalbox.kafka import Producer
from signalbox.protocol.dead_letters import DeadLetter
from signalbox.protocol.envelope import Envelope, correlation_id_of, replay_id
from signalbox.protocol.names import LeadId, MessageId, RecordType, Subject
from signalbox.protocol.records import Draft, Record
from signalbox.registry.client import Registry, RegistrySettings

SCORED = RecordType("sdr.LeadScored")
POOR = {
    "job_title": "Student",
    "project_description": "I need material for my thesis, I am not buying anything.",
}


@dataclass
class Command:
    """The command ``signalbox dead-letters``, run against the stack as a person would."""

    operator: Operator
    folder: Path

    async def __call__(self, *words: str, edit: str = "", status: int = 0) -> Any:
        """Run it with ``--json`` and return what it printed; ``edit`` is Python that changes ``record``."""
        editor = self.folder / "editor.py"
        editor.write_text(
            "import json, pathlib, sys\nfile = pathlib.Path(sys.argv[1])\n"
            f"record = json.loads(file.read_text())\n{edit}\nfile.write_text(json.dumps(record))\n"
        )
        process = await asyncio.create_subprocess_exec(
            *(Path(sys.executable).with_name("signalbox"), "dead-letters", *words, "--json"),
            env={**self.operator.stack.env, "EDITOR": f"{sys.executable} {editor}", "VISUAL": ""},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        assert process.returncode == status, (out.decode(), err.decode())
        return json.loads(out) if out.strip() else err.decode()


@pytest.fixture
def dead_letters(operator: Operator, tmp_path: Path) -> Command:
    return Command(operator, tmp_path)


@dataclass
class Sender:
    """Writes records that no one should have written."""

    operator: Operator
    producer: Producer

    async def scored(self, lead_id: str, score: int = 90, **headers: Any) -> Record:
        """Write an ``sdr.LeadScored`` for a lead, without asking the contract's rules."""
        envelope = Envelope(
            id=MessageId(str(uuid.uuid4())),
            source="lead_scoring",
            type=SCORED,
            time=datetime.now(UTC),
            correlation_id=correlation_id_of(LeadId(lead_id)),
            workflow_time=datetime.now(UTC),
        )
        record = {
            "lead": self.lead_of(lead_id),
            "score": score,
            "next_step": "ACTIVELY_ENGAGE",
            "talking_points": ["they have a budget"],
            "rationale": "a good fit",
        }
        given = replace(envelope, **headers).headers()
        return await self.wrote(
            Draft("agent_messages", lead_id.encode(), await self.encoded(SCORED, record), given)
        )

    async def encoded(self, record_type: str, record: dict[str, Any]) -> bytes:
        registry = Registry(RegistrySettings(url=self.operator.stack.addresses["registry"]))
        text = committed_contracts.schema_text(record_type)
        schema_id = await registry.lookup(Subject(record_type), text)
        await registry.close()
        assert schema_id is not None
        return encode(schema_id, parse(text), record)

    def lead_of(self, lead_id: str, **fields: Any) -> dict[str, Any]:
        return {**lead(1), **fields, "lead_id": lead_id, "captured_at": datetime.now(UTC)}

    async def wrote(self, draft: Draft) -> Record:
        """Write ``draft`` and return its dead letter."""
        mark = uuid.uuid4().hex.encode()
        headers = (*draft.headers, ("test_mark", mark))
        await self.producer.publish(replace(draft, headers=headers))
        async with asyncio.timeout(30):
            while True:
                for record in await self.operator.records(f"{draft.topic}_dlt"):
                    if record.header("test_mark") == mark:
                        return record


@pytest.fixture
def sender(operator: Operator, producer: Producer) -> Sender:
    return Sender(operator, producer)


async def became(operator: Operator, lead_id: str, status: str) -> dict[str, Any]:
    """Wait until the console shows the lead in ``status``; return its journey."""
    journey: dict[str, Any] = {}
    try:
        async with asyncio.timeout(30):
            while journey.get("status") != status:
                journey = await operator.journey(lead_id)
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"{lead_id} is {journey.get('status')}, not {status}: {journey.get('timeline')}")
    return journey


def position(record: Record) -> str:
    return f"{record.topic}/{record.partition}/{record.offset}"


async def copies_of(operator: Operator, dead_letter: Record, *topics: str) -> list[Record]:
    """Return the records that are the replay of ``dead_letter``."""
    wanted = replay_id(dead_letter.topic, dead_letter.partition, dead_letter.offset).encode()
    return [record for record in await operator.records(*topics) if record.header("ce_id") == wanted]


async def audit_events(operator: Operator, dead_letter: Record, record_type: str) -> int:
    found = [
        record
        for record in await operator.records("governance_audit")
        if record.header("ce_type") == record_type.encode() and record.key == dead_letter.key
    ]
    return len(found)


async def test_a_rejected_record_that_is_mended_brings_its_lead_to_scheduled_and_only_once(
    operator: Operator, sender: Sender, dead_letters: Command
) -> None:
    lead_id = await operator.post(**lead(1, email="a@gmail.com", **POOR))
    assert await operator.settled([lead_id]) == {lead_id: "ended"}
    dead_letter = await sender.scored(lead_id, score=101)
    await became(operator, lead_id, "dead_lettered")

    [listed] = [
        one
        for one in await dead_letters(
            "list", "--reason", "RULE_VIOLATED", "--agent", "lead_scoring", "--since", "1h"
        )
        if one["lead_id"] == lead_id
    ]
    assert (listed["topic"], listed["state"], listed["field"]) == (dead_letter.topic, "open", "score")
    shown = await dead_letters("show", position(dead_letter))
    assert shown["held_against"]["contract"]["record_type"] == SCORED
    assert shown["held_against"]["verdict"]["reason"] == "RULE_VIOLATED"

    [refused] = await dead_letters("replay", position(dead_letter), status=1)
    assert (refused["outcome"], refused["verdict"]["field"]) == ("refused", "score")
    [refused] = await dead_letters(
        "replay", position(dead_letter), "--edit", edit="record['score'] = 200", status=1
    )
    assert (refused["outcome"], refused["verdict"]["reason"]) == ("refused", "RULE_VIOLATED")
    mend = "record['score'] = 91"
    [planned] = await dead_letters("replay", position(dead_letter), "--edit", "--dry-run", edit=mend)
    assert planned["outcome"] == "would_replay"
    assert await copies_of(operator, dead_letter, "agent_messages") == []

    [done] = await dead_letters(
        "replay", position(dead_letter), "--edit", "--note", "a typing error", edit=mend
    )
    assert (done["outcome"], done["verdict"]) == ("replayed", None)
    journey = await became(operator, lead_id, "scheduled")
    [replayed] = [step for step in journey["timeline"] if step["stage"] == "replayed"]
    assert replayed["detail"]["reason"] == "a typing error"
    [copy] = await copies_of(operator, dead_letter, "agent_messages")
    assert copy.header("ce_causationid") == dead_letter.header("ce_id")
    assert copy.header("ce_correlationid") == dead_letter.header("ce_correlationid")

    [again] = await dead_letters("replay", position(dead_letter), "--edit", edit=mend, status=1)
    assert again["outcome"] == "closed"
    assert "replayed at" in again["detail"]
    [again] = await dead_letters("discard", position(dead_letter), "--reason", "too late", status=1)
    assert again["outcome"] == "closed"
    assert len(await copies_of(operator, dead_letter, "agent_messages")) == 1
    assert await audit_events(operator, dead_letter, "control.MessageReplayed") == 1


async def test_a_discarded_dead_letter_ends_its_lead(
    operator: Operator, sender: Sender, dead_letters: Command
) -> None:
    lead_id = await operator.post(**lead(2, email="b@gmail.com", **POOR))
    await operator.settled([lead_id])
    dead_letter = await sender.scored(lead_id, score=101)
    await became(operator, lead_id, "dead_lettered")

    [planned] = await dead_letters("discard", position(dead_letter), "--reason", "a test", "--dry-run")
    assert planned["outcome"] == "would_discard"
    assert await audit_events(operator, dead_letter, "control.MessageDiscarded") == 0
    [done] = await dead_letters("discard", position(dead_letter), "--reason", "a test", "--who", "rev@ops")
    assert done["outcome"] == "discarded"
    journey = await became(operator, lead_id, "ended")
    [discarded] = [step for step in journey["timeline"] if step["stage"] == "discarded"]
    assert discarded["detail"]["who"] == "rev@ops"

    [again] = await dead_letters("replay", position(dead_letter), "--anyway", "--dry-run")
    assert again["outcome"] == "would_replay"
    [again] = await dead_letters("replay", position(dead_letter), status=1)
    assert (again["outcome"], again["closed_by"]) == ("closed", "rev@ops")


async def test_a_guards_dead_letter_comes_back_with_fresh_counters(
    operator: Operator, sender: Sender, dead_letters: Command
) -> None:
    lead_id = await operator.post(**lead(3, email="c@gmail.com", **POOR))
    await operator.settled([lead_id])
    long_ago = datetime.now(UTC) - timedelta(days=3)
    dead_letter = await sender.scored(lead_id, hop=12, tokens=500, workflow_time=long_ago, visits={"x": 3})
    assert DeadLetter.of(dead_letter).reason.value == "HOP_LIMIT"
    await became(operator, lead_id, "dead_lettered")

    [done] = await dead_letters("replay", position(dead_letter))
    assert (done["outcome"], done["fresh"]) == ("replayed", True)
    await became(operator, lead_id, "scheduled")
    [copy] = await copies_of(operator, dead_letter, "agent_messages")
    renewed = Envelope.parse(copy.headers)
    assert (renewed.hop, renewed.tokens, renewed.visits) == (0, 0, {})
    assert renewed.workflow_time is not None
    assert renewed.workflow_time > long_ago


async def test_a_lead_that_was_refused_at_intake_is_mended_and_scheduled(
    operator: Operator, sender: Sender, dead_letters: Command
) -> None:
    lead_id = f"lead-{uuid.uuid4().hex}"
    captured = {"lead": sender.lead_of(lead_id, email="no address")}
    value = await sender.encoded("sdr.LeadCaptured", captured)
    dead_letter = await sender.wrote(Draft("incoming_leads", lead_id.encode(), value))
    await became(operator, lead_id, "dead_lettered")
    before = await operator.stats()

    mend = "record['lead']['email'] = 'zoe@widgets.example'"
    [done] = await dead_letters("replay", position(dead_letter), "--edit", edit=mend)
    assert (done["outcome"], done["topic"]) == ("replayed", "incoming_leads")
    await became(operator, lead_id, "scheduled")
    after = await operator.stats()
    assert after["refused_at_intake"] == before["refused_at_intake"] - 1
    assert after["captured"] == before["captured"] + 1


async def test_a_record_without_key_and_headers_is_completed_from_a_given_key(
    operator: Operator, sender: Sender, dead_letters: Command
) -> None:
    lead_id = await operator.post(**lead(5, email="d@gmail.com", **POOR))
    await operator.settled([lead_id])
    record = {
        "lead": sender.lead_of(lead_id),
        "score": 90,
        "next_step": "ACTIVELY_ENGAGE",
        "talking_points": [],
        "rationale": "a good fit",
    }
    dead_letter = await sender.wrote(Draft("agent_messages", None, await sender.encoded(SCORED, record)))
    assert DeadLetter.of(dead_letter).reason.value == "HEADER_INVALID"

    [refused] = await dead_letters("replay", position(dead_letter), status=1)
    assert "--key LEAD_ID" in refused["detail"]
    [done] = await dead_letters("replay", position(dead_letter), "--key", lead_id)
    assert "ce_correlationid" in done["completed_headers"]
    journey = await became(operator, lead_id, "scheduled")
    assert any(step["message_id"] == done["replay_id"] for step in journey["timeline"])


async def test_many_dead_letters_are_replayed_by_filter_after_a_dry_run(
    operator: Operator, sender: Sender, dead_letters: Command, producer: Producer
) -> None:
    lead_ids = [await operator.post(**lead(number, email="e@gmail.com", **POOR)) for number in range(6, 9)]
    await operator.settled(lead_ids)
    refused = [await sender.scored(lead_id, hop=12, source="test_many") for lead_id in lead_ids]
    for lead_id in lead_ids:
        await became(operator, lead_id, "dead_lettered")
    chosen = ("replay", "--agent", "test_many", "--reason", "HOP_LIMIT", "--contract", SCORED)

    planned = await dead_letters(*chosen, "--dry-run")
    assert {one["outcome"] for one in planned} == {"would_replay"}
    assert [one["position"] for one in planned] == [position(one) for one in refused]
    assert "add --yes" in await dead_letters(*chosen, status=1)
    assert [await copies_of(operator, one, "agent_messages") for one in refused] == [[], [], []]
    done = await dead_letters(*chosen, "--yes")
    assert {one["outcome"] for one in done} == {"replayed"}
    for lead_id in lead_ids:
        await became(operator, lead_id, "scheduled")
    assert await dead_letters(*chosen, "--yes") == []


async def test_a_replay_whose_audit_event_is_missing_is_completed_by_the_same_command(
    operator: Operator, sender: Sender, dead_letters: Command, producer: Producer
) -> None:
    lead_id = await operator.post(**lead(9, email="f@gmail.com", **POOR))
    await operator.settled([lead_id])
    dead_letter = await sender.scored(lead_id, hop=12)
    # What a command leaves behind that was killed between the message and its audit event.
    original = Envelope.parse(DeadLetter.of(dead_letter).original.headers)
    own = replay_id(dead_letter.topic, dead_letter.partition, dead_letter.offset)
    sent = replace(original, id=own, causation_id=original.id, hop=0)
    await producer.publish(Draft("agent_messages", dead_letter.key, dead_letter.value, sent.headers()))

    [done] = await dead_letters("replay", position(dead_letter))
    assert done["outcome"] == "audited"
    assert await audit_events(operator, dead_letter, "control.MessageReplayed") == 1
    assert len(await copies_of(operator, dead_letter, "agent_messages")) == 1
    [again] = await dead_letters("replay", position(dead_letter), status=1)
    assert again["outcome"] == "closed"
    await became(operator, lead_id, "scheduled")


async def test_a_dead_letter_that_is_not_there_is_exit_1(dead_letters: Command) -> None:
    there_is_none = "agent_messages_dlt/0/999999"
    [missing] = await dead_letters("replay", there_is_none, status=1)
    assert (missing["position"], missing["outcome"]) == (there_is_none, "missing")
    assert "nowhere_dlt does not exist" in await dead_letters("replay", "nowhere_dlt/0/1", status=1)
