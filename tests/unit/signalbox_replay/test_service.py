"""Dead letters are read, held against the gate, sent in and given up; broker and registry are in memory."""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import committed_contracts
from memory_broker import SCORED, MemoryBroker, broker_behind_dead_letters
from signalbox.control.models import MessageDiscarded, MessageReplayed
from signalbox.gate import Accepted, Rejected
from signalbox.gate.control_records import ControlRecords
from signalbox.kafka import KafkaSettings
from signalbox.protocol.dead_letters import DeadLetter, Position
from signalbox.protocol.envelope import correlation_id_of
from signalbox.protocol.errors import Refusal, Unavailable
from signalbox.protocol.lesser_dead_letters import leaves_out, lesser_dead_letters
from signalbox.protocol.names import (
    AGENT_MESSAGES,
    AGENT_REGISTRY,
    AGENT_ROUTES,
    GOVERNANCE_AUDIT,
    INCOMING_LEADS,
    AgentId,
    LeadId,
    RecordType,
)
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Draft, Record, written
from signalbox.trust import TrustSettings, sealed
from signalbox_operations.replay import (
    DeadLetterService,
    PreparedReplay,
    ReplayOptions,
    open_dead_letter_service,
)
from signalbox_operations.replay.admission import KnownAdmission, announced_types
from signalbox_operations.replay.renewal import replay_id_of

NOTHING = ReplayOptions()
CAPTURED, SCHEDULED = RecordType("sdr.LeadCaptured"), RecordType("sdr.CampaignScheduled")
DECIDED = RecordType("control.RouteDecided")


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MemoryBroker:
    return broker_behind_dead_letters(monkeypatch, tmp_path)


@pytest.fixture
async def service(broker: MemoryBroker) -> AsyncIterator[DeadLetterService]:
    async with open_dead_letter_service("rev@ops", lambda *_: None) as opened:
        yield opened


async def prepared(
    service: DeadLetterService, *dead_letters: DeadLetter, options: ReplayOptions = NOTHING
) -> list[PreparedReplay]:
    return [await service.prepare(dead_letter, options) for dead_letter in dead_letters]


async def sent(service: DeadLetterService, ready: Sequence[PreparedReplay]) -> list[PreparedReplay]:
    return [done async for done in service.send(ready, "mended")]


def replays(broker: MemoryBroker, dead_letters: Sequence[DeadLetter]) -> list[Record]:
    ids = {replay_id_of(dead_letter.position).encode() for dead_letter in dead_letters}
    return [record for record in broker.on(AGENT_MESSAGES) if record.header("ce_id") in ids]


async def events(service: DeadLetterService, broker: MemoryBroker) -> list[Any]:
    control = ControlRecords(broker.registry)
    models = {b"control.MessageReplayed": MessageReplayed, b"control.MessageDiscarded": MessageDiscarded}
    audit = broker.on(GOVERNANCE_AUDIT)
    return [await control.read(models[record.header("ce_type") or b""], record) for record in audit]


def made_lesser(broker: MemoryBroker, whole: DeadLetter) -> Position:
    """Let a dead letter lie there without its value, as if the broker had not taken all of it."""
    record = whole.record
    draft = Draft(record.topic, record.key, record.value, record.headers, record.partition)
    less = lesser_dead_letters(draft, "2026-03-05T09:00:00.000Z")[1]
    broker.records[broker.records.index(record)] = replace(record, value=less.value, headers=less.headers)
    return whole.position


async def test_a_replay_is_sent_before_it_is_audited(
    service: DeadLetterService, broker: MemoryBroker
) -> None:
    dead_letter = broker.refused()
    ready = await prepared(service, dead_letter)
    broker.takes = 1
    with pytest.raises(Unavailable):
        await sent(service, ready)
    assert len(replays(broker, [dead_letter])) == 1
    assert broker.on(GOVERNANCE_AUDIT) == []
    resolution = (await service.resolutions([dead_letter]))[dead_letter.position]
    assert (resolution.how, resolution.audited) == ("replayed", False)


async def test_a_replay_that_is_told_of_is_on_its_topic_and_audited(
    service: DeadLetterService, broker: MemoryBroker
) -> None:
    dead_letters = [broker.refused() for _ in range(3)]
    told = 0
    async for done in service.send(await prepared(service, *dead_letters), "mended"):
        assert done.dead_letter is dead_letters[told]
        assert len(replays(broker, [done.dead_letter])) == 1
        assert done.dead_letter.position in {
            Position(one.dead_letter_topic, one.dead_letter_partition, one.dead_letter_offset)
            for one in await events(service, broker)
        }
        told += 1
    assert told == 3


async def test_what_became_of_dead_letters_is_looked_for_from_an_hour_before_the_first_of_them(
    service: DeadLetterService, broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: set[float | None] = set()

    def watched(*given: Any, starting: Callable[[str], float | None], **options: Any) -> Iterator[Record]:
        began.add(starting(GOVERNANCE_AUDIT))
        return broker.read_to_end(*given, starting=starting, **options)

    monkeypatch.setattr("signalbox_operations.replay.service.read_to_end", watched)
    dead_letters = [broker.refused() for _ in range(2)]
    broker.now_ms -= 3_500_000  # the clock of the one who discards is behind
    await service.discard(dead_letters, "a test")
    found = await service.resolutions(dead_letters[::-1])
    assert [found[one.position].how for one in dead_letters] == ["discarded", "discarded"]
    assert began == {dead_letters[0].record.timestamp_ms / 1000 - 3600}


async def test_of_hundreds_each_comes_back_once_and_is_audited_once(
    service: DeadLetterService, broker: MemoryBroker
) -> None:
    dead_letters = [broker.refused() for _ in range(205)]
    told = await sent(service, await prepared(service, *dead_letters))
    assert [done.dead_letter for done in told] == dead_letters
    assert len(replays(broker, dead_letters)) == 205
    assert [one.dead_letter_offset for one in await events(service, broker)] == list(range(205))


async def test_of_hundreds_each_is_given_up_once(service: DeadLetterService, broker: MemoryBroker) -> None:
    dead_letters = [broker.refused() for _ in range(205)]
    await service.discard(dead_letters, "no use")
    assert [one.dead_letter_offset for one in await events(service, broker)] == list(range(205))
    assert {resolution.how for resolution in (await service.resolutions(dead_letters)).values()} == {
        "discarded"
    }


async def test_the_audit_of_a_replay_says_who_sent_which_dead_letter_as_what_and_why(
    service: DeadLetterService, broker: MemoryBroker
) -> None:
    dead_letter = broker.refused()
    headers = {"ce_correlationid": correlation_id_of(LeadId("lead-9"))}
    await sent(service, await prepared(service, dead_letter, options=ReplayOptions(b"lead-9", headers)))
    [event], [record] = await events(service, broker), broker.on(GOVERNANCE_AUDIT)
    assert (event.who, event.reason, event.replay_id) == (
        "rev@ops",
        "mended",
        replay_id_of(dead_letter.position),
    )
    assert (event.message_id, event.lead_id) == ("m-0", "lead-9")
    assert event.correlation_id == correlation_id_of(LeadId("lead-9"))
    assert record.key == b"lead-9"


async def test_the_audit_of_a_discard_says_who_gave_which_dead_letter_up_and_why(
    service: DeadLetterService, broker: MemoryBroker
) -> None:
    await service.discard([broker.refused()], "no use")
    [event], [record] = await events(service, broker), broker.on(GOVERNANCE_AUDIT)
    assert (event.who, event.reason, event.message_id) == ("rev@ops", "no use", "m-0")
    assert (event.lead_id, event.correlation_id) == ("lead-1", correlation_id_of(LeadId("lead-1")))
    assert record.key == b"lead-1"


async def test_dead_letters_are_read_wherever_they_lie(
    service: DeadLetterService, broker: MemoryBroker
) -> None:
    dead_letters = [
        broker.refused(topic=topic, partition=partition)
        for topic in (AGENT_MESSAGES, INCOMING_LEADS)
        for partition in (0, 1, 0, 1)
    ]
    missing = Position("agent_messages_dlt", 0, 99)
    found = await service.dead_letters([missing, *(dead_letter.position for dead_letter in dead_letters)])
    assert found == {dead_letter.position: dead_letter for dead_letter in dead_letters}


async def test_a_record_that_is_no_dead_letter_comes_with_what_is_wrong(
    service: DeadLetterService, broker: MemoryBroker
) -> None:
    broker.append(Draft("agent_messages_dlt", None, b"x"))
    at = Position("agent_messages_dlt", 0, 0)
    found = (await service.dead_letters([at]))[at]
    assert isinstance(found, ValueError)
    assert "dl_reason" in str(found)


async def test_what_a_dead_letter_leaves_out_is_read_from_where_its_record_lay(
    service: DeadLetterService, broker: MemoryBroker
) -> None:
    broker.refused()
    whole = broker.refused()
    at = made_lesser(broker, whole)
    found = (await service.dead_letters([at]))[at]
    assert isinstance(found, DeadLetter)
    assert (found.original, leaves_out(found)) == (whole.original, frozenset())


@pytest.mark.parametrize("behind_s", [7_200, -1_800])
async def test_a_replay_is_found_however_the_clocks_differ(
    service: DeadLetterService, broker: MemoryBroker, behind_s: int
) -> None:
    """The replay's time is hours after its dead letter's, or before it: another machine's clock gives it."""
    first = broker.refused()
    broker.now_ms += behind_s * 1_000
    broker.append((await service.prepare(first, NOTHING)).message.draft)
    broker.now_ms += 86_400_000
    last = broker.refused()
    assert set(await service.resolutions([first, last])) == {first.position}


@pytest.mark.parametrize(("hours", "expired"), [(23, False), (25, True)])
async def test_a_workflow_is_not_resumed_after_its_deadline_unless_its_time_starts_afresh(
    service: DeadLetterService, broker: MemoryBroker, hours: int, expired: bool
) -> None:
    dead_letter = broker.refused(began=datetime.now(UTC) - timedelta(hours=hours))
    [as_it_is] = await prepared(service, dead_letter)
    [fresh] = await prepared(service, dead_letter, options=ReplayOptions(fresh=True))
    assert isinstance(fresh.verdict, Accepted)
    if expired:
        assert isinstance(as_it_is.verdict, Rejected)
        assert (as_it_is.verdict.reason, as_it_is.record_type) == (Reason.DEADLINE_EXCEEDED, None)
    else:
        assert as_it_is.record_type == SCORED


async def test_a_workflow_without_a_time_of_its_own_began_with_its_message(
    service: DeadLetterService, broker: MemoryBroker
) -> None:
    dead_letter = broker.refused(began=datetime.now(UTC) - timedelta(hours=25))
    headers = tuple(pair for pair in dead_letter.record.headers if pair[0] != "ce_workflowtime")
    [ready] = await prepared(service, DeadLetter.of(replace(dead_letter.record, headers=headers)))
    assert isinstance(ready.verdict, Accepted)


async def test_what_ends_a_workflow_has_no_deadline(service: DeadLetterService, broker: MemoryBroker) -> None:
    mail = {"message_id": "m", "scheduled_at": datetime.now(UTC), "status": "scheduled"}
    campaign = {"lead_id": "lead-1", "campaign_id": "c", "campaign_type": "NURTURE", "emails": [mail]}
    value, began = broker.framed(SCHEDULED, **campaign), datetime.now(UTC) - timedelta(days=9)
    [ready] = await prepared(service, broker.refused(value, record_type=SCHEDULED, began=began))
    assert ready.record_type == SCHEDULED


async def test_a_decision_that_comes_back_has_no_deadline(
    service: DeadLetterService, broker: MemoryBroker
) -> None:
    decision = {
        "message_id": "m",
        "correlation_id": "c",
        "lead_id": "lead-1",
        "record_type": SCORED,
        "reason": "It fits.",
        "payload": b"bytes",
        "payload_key": b"lead-1",
        "payload_headers": [],
        "source_topic": AGENT_MESSAGES,
        "source_partition": 0,
        "source_offset": 0,
    }
    value, began = broker.framed(DECIDED, **decision), datetime.now(UTC) - timedelta(days=9)
    dead_letter = broker.refused(value, record_type=DECIDED, topic=AGENT_ROUTES, began=began)
    [ready] = await prepared(service, dead_letter)
    assert ready.record_type == DECIDED


async def test_an_edited_record_is_sent_as_what_it_became(
    service: DeadLetterService, broker: MemoryBroker
) -> None:
    dead_letter = broker.refused(broker.framed(CAPTURED), record_type=CAPTURED)
    form = await service.editable(dead_letter, SCORED, None)
    value = broker.framed(SCORED, score=12)
    ready = await service.prepare(dead_letter, NOTHING, (form, value))
    assert isinstance(ready.verdict, Accepted)
    assert (ready.record_type, ready.version, ready.verdict.datum["score"]) == (SCORED, 1, 12)
    assert dict(ready.message.draft.headers)["ce_type"] == SCORED.encode()


async def test_of_an_edited_record_the_operator_hears_what_was_completed_and_started_afresh(
    service: DeadLetterService, broker: MemoryBroker
) -> None:
    dead_letter = broker.refused(headers=(("ce_hop", b"-1"), ("ce_source", b"web")))
    form = await service.editable(dead_letter, SCORED, None)
    options = ReplayOptions(b"lead-1", fresh=True)
    ready = await service.prepare(dead_letter, options, (form, form.encoded(form.text)))
    assert isinstance(ready.verdict, Accepted)
    assert ready.message.fresh
    assert {"ce_hop", "ce_type"} < set(ready.message.completed)
    assert "ce_source" not in ready.message.completed


async def test_the_gate_judges_the_very_message_that_is_sent(
    service: DeadLetterService, broker: MemoryBroker
) -> None:
    [ready] = await prepared(service, broker.refused())
    assert isinstance(ready.verdict, Accepted)
    assert ready.verdict.record == written(ready.message.draft)
    assert ready.version is None


async def test_the_original_is_judged_as_it_is_and_its_contract_is_told(
    service: DeadLetterService, broker: MemoryBroker
) -> None:
    dead_letter = broker.refused()
    verdict, contract = await service.verdict(dead_letter), await service.contract_of(SCORED)
    assert isinstance(verdict, Accepted)
    assert (verdict.record, verdict.contract) == (dead_letter.original, contract)
    assert await service.contract_of(RecordType("shop.Placed")) is None
    assert await service.verdict(broker.refused(b"rubbish")) == Rejected(
        Reason.NOT_FRAMED, "the first byte is 0x72, expected the magic byte 0x00"
    )


async def test_what_is_not_there_any_more_is_told_with_when_the_workflow_began(
    service: DeadLetterService, broker: MemoryBroker
) -> None:
    [ready] = await prepared(service, broker.refused(began=datetime(2026, 3, 2, 9, tzinfo=UTC)))
    assert ready.verdict == Rejected(
        Reason.DEADLINE_EXCEEDED,
        "the workflow began at 2026-03-02T09:00:00+00:00; --fresh starts its time afresh",
        "ce_workflowtime",
    )


async def test_all_is_read_from_and_sent_to_the_broker_of_the_environment_with_ten_minutes_patience(
    broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[str, float | None]] = []
    sent_by: list[tuple[str, str]] = []

    def read_to_end(kafka: KafkaSettings, *given: Any, patience_s: float, **options: Any) -> Iterator[Record]:
        read.append((kafka.bootstrap_servers, patience_s))
        return broker.read_to_end(kafka, *given, **options)

    def read_at(kafka: KafkaSettings, *at: Any) -> Record | None:
        read.append((kafka.bootstrap_servers, None))
        return broker.read_at(kafka, *at)

    def producer(kafka: KafkaSettings, name: str) -> MemoryBroker:
        sent_by.append((kafka.bootstrap_servers, name))
        return broker

    lesser = made_lesser(broker, broker.refused())
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "elsewhere:9092")
    async with open_dead_letter_service("rev@ops", lambda *_: None) as service:
        for name, stands in (("read_to_end", read_to_end), ("read_at", read_at), ("Producer", producer)):
            monkeypatch.setattr(f"signalbox_operations.replay.service.{name}", stands)
        found = (await service.dead_letters([lesser]))[lesser]
        assert isinstance(found, DeadLetter)
        await service.resolutions([found])
        await service.discard([found], "no use")
        await service.discard([broker.refused()], "no use")
    assert read == [("elsewhere:9092", 600.0), ("elsewhere:9092", None), ("elsewhere:9092", 600.0)]
    assert sent_by == [("elsewhere:9092", "signalbox-dead-letters")]


async def test_of_a_partition_no_more_is_read_than_what_is_asked_for(
    service: DeadLetterService, broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[int, int]] = []

    def watched(*given: Any, **options: Any) -> Iterator[Record]:
        for record in broker.read_to_end(*given, **options):
            read.append((record.partition, record.offset))
            yield record

    monkeypatch.setattr("signalbox_operations.replay.service.read_to_end", watched)
    for partition in (0, 0, 1, 0, 1):
        broker.refused(partition=partition)
    await service.dead_letters([Position("agent_messages_dlt", 0, 1)])
    assert read == [(0, 0), (0, 1)]


@pytest.mark.parametrize(
    ("topic", "value", "headers", "meant"),
    [
        (INCOMING_LEADS, b"rubbish", (("ce_type", b"sdr.LeadScored"),), CAPTURED),
        (AGENT_MESSAGES, None, (("ce_type", b"sdr.LeadCaptured"),), SCORED),
        (AGENT_MESSAGES, b"rubbish", (("ce_type", b"sdr.LeadCaptured"),), CAPTURED),
    ],
    ids=["by its topic", "by its schema", "by its header"],
)
async def test_what_a_dead_letter_should_be_is_told_by_its_topic_its_schema_and_its_header_in_this_order(
    service: DeadLetterService,
    broker: MemoryBroker,
    topic: str,
    value: bytes | None,
    headers: tuple[tuple[str, bytes], ...],
    meant: RecordType,
) -> None:
    dead_letter = broker.refused(value, topic=topic, headers=headers)
    assert (await service.editable(dead_letter, None, None)).record_type == meant
    assert (await service.editable(dead_letter, SCHEDULED, None)).record_type == SCHEDULED


async def test_a_dead_letter_of_which_nothing_says_what_it_should_be_is_not_edited(
    service: DeadLetterService, broker: MemoryBroker
) -> None:
    with pytest.raises(Refusal) as told:
        await service.editable(broker.refused(b"rubbish", headers=()), None, None)
    assert (told.value.reason, told.value.detail, told.value.field) == (
        Reason.RULE_VIOLATED,
        "neither its schema nor ce_type says what record it is; name it with --contract",
        "ce_type",
    )


async def test_a_type_that_is_no_text_is_told_as_far_as_it_can_be_read(
    service: DeadLetterService, broker: MemoryBroker
) -> None:
    with pytest.raises(Refusal, match="sdr\ufffd"):
        await service.editable(broker.refused(b"rubbish", headers=(("ce_type", b"sdr\xff"),)), None, None)


async def test_what_is_edited_is_the_record_and_unchanged_it_is_the_very_bytes(
    service: DeadLetterService, broker: MemoryBroker
) -> None:
    dead_letter = broker.refused(broker.framed(SCORED, score=12))
    form = await service.editable(dead_letter, None, None)
    assert (form.problem, json.loads(form.text)["score"]) == ("", 12)
    assert form.encoded(form.text) is dead_letter.original.value


async def test_what_keeps_a_record_from_being_read_is_told_beside_what_is_edited(
    service: DeadLetterService, broker: MemoryBroker
) -> None:
    form = await service.editable(broker.refused(broker.framed(SCORED, score=12) + b"more"), None, None)
    assert "4 bytes are left over" in form.problem
    assert json.loads(form.text)["score"] == 12


async def test_a_dead_letter_is_edited_against_the_version_that_is_named(
    service: DeadLetterService, broker: MemoryBroker
) -> None:
    newer = json.loads(committed_contracts.schema_text(SCORED))
    newer["fields"].append({"name": "more", "type": ["null", "string"], "default": None})
    second = broker.registry.register(SCORED, newer)
    dead_letter = broker.refused()
    assert (await service.editable(dead_letter, None, None)).schema_id == second
    named = await service.editable(dead_letter, None, 1)
    assert (named.version, "more" in json.loads(named.text)) == (1, False)
    with pytest.raises(Refusal, match="no version 3; registered versions: 1, 2"):
        await service.editable(dead_letter, None, 3)


async def test_what_an_agent_says_that_it_takes_and_gives_is_announced(
    broker: MemoryBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_ENROLMENT", "folder")
    agent, now = AgentId("till"), datetime.now(UTC)
    definition = {
        "agent_id": agent,
        "name": "Till",
        "description": "Takes orders.",
        "input": [{"record_type": "shop.Placed", "when": None}],
        "output": [{"record_type": "shop.Paid", "terminal": False}],
        "endpoint": "http://127.0.0.1:1",
        "contracts": [],
        "registered_at": now,
    }
    value = broker.framed("control.AgentRegistered", **definition)
    seal = sealed(TrustSettings().own_key(agent), agent, value, int(now.timestamp() * 1000))
    said = [broker.append(Draft(AGENT_REGISTRY, agent.encode(), value, headers)) for headers in (seal, ())]
    control = ControlRecords(broker.registry)
    assert await announced_types(control, said[:1]) == {"shop.Placed", "shop.Paid"}
    assert await announced_types(control, said[1:]) == set()


def test_what_agents_announced_is_admitted_to_the_shared_topic_alone() -> None:
    announced = RecordType("shop.Placed")

    class Lists:
        def admits(self, topic: str, record_type: RecordType) -> bool:
            return (topic, record_type) == (INCOMING_LEADS, CAPTURED)

    admission = KnownAdmission(Lists(), frozenset({announced}))  # type: ignore[arg-type]
    assert admission.admits(AGENT_MESSAGES, announced)
    assert not admission.admits(INCOMING_LEADS, announced)
    assert admission.admits(INCOMING_LEADS, CAPTURED)
    assert not admission.admits(AGENT_MESSAGES, CAPTURED)
