"""No byte of a record decides whether its outcome can be written: a stage and a broker with real limits."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from limited_broker import LimitedBroker, LimitedProducer, Limits, ScriptedConsumer, batch_bytes, limits_of
from memory_registry import register_committed
from orchestrator.consume.ladder import References
from orchestrator.consume.wiring import stage as stage_of
from signalbox.catalog import Catalog
from signalbox.control.models import RouteDecided
from signalbox.gate.control_records import ControlRecords
from signalbox.kafka import Partition
from signalbox.protocol import reasons
from signalbox.protocol.dead_letters import DeadLetter
from signalbox.protocol.envelope import correlation_id_of
from signalbox.protocol.errors import Refusal
from signalbox.protocol.lesser_dead_letters import completed, leaves_out
from signalbox.protocol.names import Headers, LeadId
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Draft, Record
from signalbox.telemetry import Readiness
from signalbox_agent.testing import MemoryRegistry
from signalbox_decide.decisions import Refused
from signalbox_decide.records import DecisionRecords

SOURCE, DEAD_LETTERS, AUDIT = "agent_messages", "agent_messages_dlt", "governance_audit"
LARGEST = 100_000
BINARY = bytes(range(128, 256))


def record(offset: int, value: bytes = b"v", headers: Headers = (), key: bytes | None = b"lead") -> Record:
    return Record(SOURCE, 0, offset, key, value, headers, 1_767_323_045_000)


def incompressible(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.fixture
async def control() -> ControlRecords:
    registry = MemoryRegistry()
    register_committed(registry, "control.")
    made = ControlRecords(registry)
    await made.load()
    return made


@pytest.fixture
def decisions(control: ControlRecords) -> DecisionRecords:
    return DecisionRecords(control)


@pytest.fixture
def broker() -> LimitedBroker:
    return LimitedBroker(
        {
            DEAD_LETTERS: Limits(6, LARGEST + 64 * 1024),
            AUDIT: Limits(1, LARGEST),
            "agent_routes": Limits(6, LARGEST),
        }
    )


async def settle(
    broker: LimitedBroker,
    decisions: DecisionRecords,
    *records: Record,
    decide: Callable[[Record], Awaitable[Sequence[Draft]]] | None = None,
    readiness: Readiness | None = None,
) -> None:
    async def refused(refused: Record) -> Sequence[Draft]:
        why = Refusal(Reason.HEADER_INVALID, f"ce_id is {refused.header('ce_id')!r}", "ce_id")
        return decisions.of(Refused(refused, reasons.Stage.GATE, why))

    ready = readiness or Readiness()
    stage = stage_of(
        "test",
        ScriptedConsumer(broker, records),  # type: ignore[arg-type]
        LimitedProducer(broker),  # type: ignore[arg-type]
        decide or refused,
        ready,
        limit=100,
        fault_pause_s=0.01,
        instead=lambda one, drafts, why: decisions.unwritable(one, reasons.Stage.ROUTER, drafts, why),
        references=References(ready, lambda _: 3_600_000),
    )
    stopping = asyncio.Event()
    running = asyncio.create_task(stage.run(stopping))
    end = max(one.offset for one in records) + 1
    try:
        async with asyncio.timeout(20):
            while broker.committed.get(Partition(SOURCE, records[0].partition)) != end:
                assert not running.done(), running.exception()
                await asyncio.sleep(0.005)
            stopping.set()
            await running
    finally:
        running.cancel()


def dead_letters(broker: LimitedBroker) -> list[DeadLetter]:
    return [DeadLetter.of(one) for one in broker.on(DEAD_LETTERS)]


@pytest.mark.parametrize(
    "large",
    [
        pytest.param(lambda: record(0, incompressible(99_000)), id="value"),
        pytest.param(lambda: record(0, headers=(("ce_id", BINARY * 700),)), id="binary ce_id"),
        pytest.param(
            lambda: record(0, headers=(("ce_correlationid", incompressible(99_000)),)), id="correlation"
        ),
        pytest.param(lambda: record(0, key=incompressible(99_000)), id="key"),
        pytest.param(lambda: record(0, headers=tuple(("h", b"x") for _ in range(90_000))), id="many headers"),
        pytest.param(lambda: record(0, headers=(("n" * 99_000, None),)), id="a header's name"),
    ],
)
async def test_the_dead_letter_of_a_record_that_was_just_small_enough_to_arrive_is_whole(
    broker: LimitedBroker, decisions: DecisionRecords, large: Callable[[], Record]
) -> None:
    arrived = large()
    assert batch_bytes(arrived) <= LARGEST
    await settle(broker, decisions, arrived, record(1))
    first, second = dead_letters(broker)
    assert not leaves_out(first)
    assert (first.original.key, first.original.value) == (arrived.key, arrived.value)
    assert first.original.headers == arrived.headers
    assert second.offset == 1
    assert len(broker.on(AUDIT)) == 2
    assert broker.refusals == 0


async def test_what_an_audit_event_quotes_is_bounded(
    broker: LimitedBroker, decisions: DecisionRecords
) -> None:
    foreign = incompressible(30_000)
    headers = (("ce_id", foreign), ("ce_correlationid", foreign))
    await settle(broker, decisions, record(0, headers=headers, key=foreign))
    [audit] = broker.on(AUDIT)
    assert sum(len(part or b"") for part in (audit.key, audit.value)) < 16_000
    assert all(len(value or b"") < 2_000 for _, value in audit.headers)


async def test_a_topic_of_dead_letters_that_takes_less_than_its_source_gets_a_dead_letter_by_reference(
    broker: LimitedBroker, decisions: DecisionRecords
) -> None:
    broker.topics[DEAD_LETTERS] = Limits(6, 50_000)
    arrived = record(0, incompressible(90_000), (("ce_id", b"m-1"), ("other", b"x")))
    readiness = Readiness()
    await settle(broker, decisions, arrived, record(1), readiness=readiness)
    first, second = dead_letters(broker)
    assert leaves_out(first) == {"headers", "value"}
    assert first.record.header("ce_id") == b"m-1"
    assert first.record.header("dl_expires_at") == b"2026-01-02T04:04:05.000Z"
    assert [second.record.value, second.record.header("dl_reason")] == [b"v", b"HEADER_INVALID"]
    whole = completed(first, arrived)
    assert (whole.original.value, whole.original.headers) == (arrived.value, arrived.headers)
    assert not leaves_out(whole)
    assert "dead letters by reference" in " ".join(readiness.impaired)


async def test_another_record_at_the_place_is_not_taken_for_what_a_dead_letter_left_out(
    broker: LimitedBroker, decisions: DecisionRecords
) -> None:
    broker.topics[DEAD_LETTERS] = Limits(6, 50_000)
    arrived = record(0, incompressible(90_000))
    await settle(broker, decisions, arrived)
    [dead_letter] = dead_letters(broker)
    assert leaves_out(completed(dead_letter, replace(arrived, value=incompressible(90_000, 2))))
    assert leaves_out(completed(dead_letter, None))


async def test_headers_that_are_too_large_stay_behind_and_the_value_does_not(
    broker: LimitedBroker, decisions: DecisionRecords
) -> None:
    broker.topics[DEAD_LETTERS] = Limits(6, 50_000)
    arrived = record(0, b"small", (("ce_id", b"m-1"), ("large", incompressible(90_000))))
    await settle(broker, decisions, arrived)
    [dead_letter] = dead_letters(broker)
    assert leaves_out(dead_letter) == {"headers"}
    assert dead_letter.original.value == b"small"
    assert dead_letter.original.header("ce_id") == b"m-1"


async def test_a_topic_of_dead_letters_that_takes_almost_nothing_gets_the_reason_at_least(
    broker: LimitedBroker, decisions: DecisionRecords
) -> None:
    broker.topics[DEAD_LETTERS] = Limits(6, 700)
    arrived = record(0, incompressible(90_000), (("ce_id", incompressible(500)),), incompressible(2_000))
    await settle(broker, decisions, arrived, record(1))
    first = dead_letters(broker)[0]
    assert leaves_out(first) == {"headers", "key", "value"}
    assert (first.reason, first.offset) == (Reason.HEADER_INVALID, 0)
    assert completed(first, arrived).original.key == arrived.key


async def test_the_smallest_dead_letter_still_says_which_message_of_which_lead_it_is_of(
    broker: LimitedBroker, decisions: DecisionRecords
) -> None:
    broker.topics[DEAD_LETTERS] = Limits(6, 1_000)
    workflow = correlation_id_of(LeadId("lead-1")).encode()
    large = tuple((name, incompressible(500, seed)) for seed, name in enumerate(("ce_type", "ce_source")))
    headers = (("ce_id", b"m-1"), ("ce_correlationid", workflow), *large)
    await settle(broker, decisions, record(0, incompressible(90_000), headers, b"lead-1"))
    dead_letter = dead_letters(broker)[0].record
    assert dead_letter.header("ce_type") is None
    assert (dead_letter.header("ce_id"), dead_letter.header("ce_correlationid")) == (b"m-1", workflow)
    assert dead_letter.key == b"lead-1"


async def test_a_partition_that_the_topic_of_dead_letters_lacks_is_another_one_there(
    broker: LimitedBroker, decisions: DecisionRecords
) -> None:
    broker.topics[DEAD_LETTERS] = Limits(2, LARGEST)
    arrived = replace(record(0), partition=5)
    await settle(broker, decisions, arrived, replace(record(1), partition=5))
    assert [(one.partition, one.offset) for one in dead_letters(broker)] == [(5, 0), (5, 1)]
    assert len(broker.on(AUDIT)) == 2


@pytest.mark.parametrize("audit", [None, Limits(1, 100)], ids=["absent", "smaller"])
async def test_without_a_topic_that_takes_the_audit_event_the_dead_letter_is_written_all_the_same(
    broker: LimitedBroker, decisions: DecisionRecords, audit: Limits | None
) -> None:
    broker.topics.pop(AUDIT)
    if audit is not None:
        broker.topics[AUDIT] = audit
    await settle(broker, decisions, record(0), record(1))
    assert [one.offset for one in dead_letters(broker)] == [0, 1]
    assert not leaves_out(dead_letters(broker)[0])
    assert broker.on(AUDIT) == []


def decided(control: ControlRecords, original: Record, calls: int = 0) -> RouteDecided:
    return RouteDecided(
        message_id="m-1",
        correlation_id="c-1",
        lead_id="lead",
        record_type="sdr.LeadScored",
        candidates=[],
        excluded=[],
        agent="a",
        reason="",
        terminal=False,
        model="",
        model_calls=calls,
        prompt_version="1",
        latency_ms=0,
        input_tokens=0,
        output_tokens=0,
        hop=0,
        payload=original.value or b"",
        payload_key=original.key or b"",
        payload_headers=[],
        source_topic=original.topic,
        source_partition=original.partition,
        source_offset=original.offset,
    )


@pytest.mark.parametrize(
    ("routes", "reason"),
    [(Limits(6, 1_000), Reason.TOO_LARGE), (Limits(1, LARGEST), Reason.UNROUTABLE)],
    ids=["too large", "its partition is not there"],
)
async def test_a_decision_that_can_not_be_written_becomes_a_dead_letter_and_the_others_go_on(
    broker: LimitedBroker,
    decisions: DecisionRecords,
    control: ControlRecords,
    routes: Limits,
    reason: Reason,
) -> None:
    broker.topics["agent_routes"] = routes

    async def route(message: Record) -> Sequence[Draft]:
        value = control.write(decided(control, message, calls=2))
        return [Draft("agent_routes", message.key, value, (), partition=2 if message.offset == 0 else 0)]

    large, small = record(0, incompressible(5_000)), record(1)
    await settle(broker, decisions, large, small, decide=route)
    [dead_letter] = dead_letters(broker)
    assert (dead_letter.reason, dead_letter.stage, dead_letter.model_calls) == (
        reason,
        reasons.Stage.ROUTER,
        2,
    )
    assert dead_letter.original.value == large.value
    assert [one.value for one in broker.on("agent_routes")] == [control.write(decided(control, small, 2))]


async def test_only_the_partition_waits_for_which_nothing_at_all_can_be_written(
    broker: LimitedBroker, decisions: DecisionRecords
) -> None:
    broker.topics.pop(DEAD_LETTERS)
    readiness = Readiness()

    async def some(message: Record) -> Sequence[Draft]:
        if message.partition == 0:
            return decisions.of(Refused(message, reasons.Stage.GATE, Refusal(Reason.MALFORMED, "bad")))
        return [Draft("agent_routes", message.key, b"route")]

    elsewhere = [replace(record(offset), partition=1) for offset in (0, 1)]
    settling = asyncio.create_task(
        settle(broker, decisions, record(0), *elsewhere, decide=some, readiness=readiness)
    )
    async with asyncio.timeout(10):
        while broker.committed.get(Partition(SOURCE, 1)) != 2:
            await asyncio.sleep(0.01)
        while not readiness.waiting_for:
            await asyncio.sleep(0.01)
    assert "not even a dead letter" in " ".join(readiness.waiting_for)
    broker.topics[DEAD_LETTERS] = Limits(6)
    settling.cancel()
    await asyncio.wait({settling})


def test_every_topic_of_dead_letters_of_the_catalog_takes_64_kib_more_than_its_source() -> None:
    limits = limits_of(Catalog.load())
    for name in ("incoming_leads", "agent_messages", "agent_routes"):
        assert limits[f"{name}_dlt"].record_bytes == limits[name].record_bytes + 64 * 1024
        assert limits[f"{name}_dlt"].partitions >= limits[name].partitions


def test_the_alarm_counts_the_dead_letters_without_bytes_and_names_the_first_that_go() -> None:
    ready = Readiness()
    kept = {"leads": 1_000, "forever": None, "answers": 500}
    references = References(ready, kept.__getitem__)
    assert references.gone_at("forever", datetime.fromtimestamp(1_767_323_045, UTC)) is None
    references.note("test", "forever", None)
    [told] = ready.impaired
    assert "1 were written without their bytes, which forever has until never" in told
    later = references.gone_at("leads", datetime.fromtimestamp(1_767_323_045, UTC))
    assert later == datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)
    references.note("test", "leads", later)
    sooner = references.gone_at("answers", datetime.fromtimestamp(1_767_323_045, UTC))
    assert sooner is not None
    references.note("test", "answers", sooner)
    references.note("test", "leads", later)
    assert references.first == (sooner, "answers")
    [told] = ready.impaired
    assert "4 were written without their bytes, which answers has until 2026-01-02T03:04:05" in told


def test_bytes_of_a_record_without_a_time_are_kept_from_now() -> None:
    before = datetime.now(UTC)
    gone_at = References(Readiness(), lambda _: 60_000).gone_at("leads", None)
    assert gone_at is not None
    assert before <= gone_at - timedelta(minutes=1) <= datetime.now(UTC)
