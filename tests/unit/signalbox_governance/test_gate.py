import asyncio
import gc
import json
from dataclasses import replace
from typing import Any

import pytest

import committed_contracts
from gate_fuzz import DATA_BY_TYPE, lead
from memory_registry import headers, impatient_gate, record, sdr_admission
from signalbox.avro import Limits, encode, parse
from signalbox.gate import Accepted, Contracts, Gate, Rejected
from signalbox.gate.gate import CHECKS
from signalbox.gate.schemas import WriterSchemas
from signalbox.protocol.envelope import correlation_id_of, intake_id
from signalbox.protocol.errors import Unavailable
from signalbox.protocol.names import INCOMING_LEADS, LeadId, SchemaId, Subject
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Record
from signalbox.registry.port import SchemaVersion
from signalbox_agent.testing import MemoryRegistry

from .conftest import Clock

SCORED = "sdr.LeadScored"
DATA = DATA_BY_TYPE


def framed(registry: MemoryRegistry, record_type: str, datum: dict[str, Any] | None = None) -> bytes:
    text = committed_contracts.schema_text(record_type)
    return encode(
        registry.register(record_type, text), parse(text), DATA[record_type] if datum is None else datum
    )


@pytest.fixture
def gate(registry: MemoryRegistry) -> Gate:
    return impatient_gate(registry)


@pytest.fixture
def good(registry: MemoryRegistry) -> Record:
    return record(framed(registry, SCORED), headers(SCORED))


async def rejection(gate: Gate, message: Record) -> tuple[Reason, str]:
    verdict = await gate.check(message)
    assert isinstance(verdict, Rejected), verdict
    return verdict.reason, verdict.field


async def told(gate: Gate, message: Record) -> Rejected:
    verdict = await gate.check(message)
    assert isinstance(verdict, Rejected), verdict
    return verdict


def foreign(name: str, *fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": name, "namespace": "sdr", "fields": list(fields)}


def test_the_checks_are_in_the_order_of_the_reasons() -> None:
    assert [reason for reason, _ in CHECKS] == list(Reason)[: len(CHECKS)]


@pytest.mark.parametrize("record_type", DATA)
async def test_a_good_record_is_accepted(gate: Gate, registry: MemoryRegistry, record_type: str) -> None:
    verdict = await gate.check(record(framed(registry, record_type), headers(record_type)))
    assert isinstance(verdict, Accepted), verdict
    assert (verdict.record_type, verdict.lead_id, verdict.contract.version) == (record_type, "lead-1", 1)
    assert verdict.datum["lead"]["captured_at"] == lead()["captured_at"]


async def test_value_and_headers_may_reach_the_limit_together_and_not_exceed_it(
    registry: MemoryRegistry, good: Record
) -> None:
    size = len(good.value or b"") + sum(len(name) + len(value or b"") for name, value in good.headers)
    assert isinstance(await impatient_gate(registry, limits=Limits(max_bytes=size)).check(good), Accepted)
    smaller = impatient_gate(registry, limits=Limits(max_bytes=size - 1))
    assert await rejection(smaller, good) == (Reason.TOO_LARGE, "")


async def test_headers_without_end_are_too_large(gate: Gate, good: Record) -> None:
    many = replace(good, headers=(*good.headers, *((("", None),) * 10_001)))
    assert await rejection(gate, many) == (Reason.TOO_LARGE, "")


async def test_the_first_failure_decides(gate: Gate) -> None:
    bad_in_every_way = record(b"\1" + b"x" * 300_000, (), key=None)
    assert await rejection(gate, bad_in_every_way) == (Reason.TOO_LARGE, "")
    assert await rejection(gate, replace(bad_in_every_way, value=b"\1")) == (Reason.NOT_FRAMED, "")
    unknown = replace(bad_in_every_way, value=b"\0\0\0\0\x63")
    assert await rejection(gate, unknown) == (Reason.HEADER_INVALID, "key")
    assert await rejection(gate, replace(unknown, key=b"k", headers=headers("x"))) == (
        Reason.UNKNOWN_SCHEMA,
        "",
    )


@pytest.mark.parametrize(
    "name", ["ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "ce_correlationid", "ce_hop"]
)
async def test_each_required_header_is_required(gate: Gate, good: Record, name: str) -> None:
    without = replace(good, headers=tuple(each for each in good.headers if each[0] != name))
    assert await rejection(gate, without) == (Reason.HEADER_INVALID, name)


async def test_a_header_of_another_name_may_be_anything(gate: Gate, good: Record) -> None:
    more = replace(good, headers=(*good.headers, ("x", b"\xff\0"), ("x", None)))
    assert isinstance(await gate.check(more), Accepted)


async def test_a_lead_needs_no_headers_at_intake(gate: Gate, registry: MemoryRegistry) -> None:
    message = record(framed(registry, "sdr.LeadCaptured"), (), topic=INCOMING_LEADS)
    verdict = await gate.check(message)
    assert isinstance(verdict, Accepted), verdict
    assert verdict.envelope.id == intake_id(INCOMING_LEADS, 0, 7)
    assert verdict.envelope.type == "sdr.LeadCaptured"
    assert verdict.envelope.correlation_id == correlation_id_of(LeadId("lead-1"))


async def test_a_header_that_is_there_at_intake_must_be_right(gate: Gate, registry: MemoryRegistry) -> None:
    message = record(framed(registry, "sdr.LeadCaptured"), (("ce_time", b"now"),), topic=INCOMING_LEADS)
    assert await rejection(gate, message) == (Reason.HEADER_INVALID, "ce_time")
    said = replace(message, headers=(("ce_type", b"sdr.LeadScored"),))
    assert await rejection(gate, said) == (Reason.NOT_ADMITTED, "ce_type")


async def test_an_unknown_id_is_asked_twice_and_then_remembered_for_a_while(registry: MemoryRegistry) -> None:
    schemas = WriterSchemas(registry, Limits(), ask_again_s=0)
    gate = Gate(registry, Contracts(registry), sdr_admission(), schemas=schemas)
    unknown = record(b"\0\0\0\0\x63", headers(SCORED))
    for _ in range(5):
        assert await rejection(gate, unknown) == (Reason.UNKNOWN_SCHEMA, "")
    assert registry.asked == [("schema_text", 99)] * 2


async def test_an_unknown_id_is_asked_again_after_a_while_and_not_before(
    registry: MemoryRegistry, clock: Clock
) -> None:
    schemas = WriterSchemas(registry, Limits(), ask_again_s=0, unknown_for_s=5)
    gate = Gate(registry, Contracts(registry), sdr_admission(), schemas=schemas)
    unknown = record(b"\0\0\0\0\x63", headers(SCORED))
    asked = []
    for moment in (10, 14, 16, 20, 22):
        clock.now = moment
        assert await rejection(gate, unknown) == (Reason.UNKNOWN_SCHEMA, "")
        asked.append(len(registry.asked) // 2)
    assert asked == [1, 1, 2, 2, 3]


async def test_a_registry_that_lied_costs_no_message_that_comes_half_a_second_after_it_recovered(
    registry: MemoryRegistry, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("signalbox.gate.schemas.asyncio.sleep", sleep)
    gate = Gate(registry, Contracts(registry), sdr_admission(), schemas=WriterSchemas(registry, Limits()))
    text = committed_contracts.schema_text(SCORED)
    lost = SchemaId(99)
    message = record(encode(lost, parse(text), DATA[SCORED]), headers(SCORED))
    for moment in (10.0, 10.3, 10.6, 10.9, 11.2):  # unknown for longer than a second, asked each half of one
        clock.now = moment
        assert await rejection(gate, message) == (Reason.UNKNOWN_SCHEMA, "")
    assert registry.asked == [("schema_text", 99)] * 6
    assert waits[0] == 1.0 and max(waits[1:]) < 0.5  # what was unknown lately holds up no one for long
    monkeypatch.setitem(registry._texts, lost, text)
    registry._versions[Subject(SCORED)].append(SchemaVersion(Subject(SCORED), 2, lost, text))
    clock.now = 11.75
    assert isinstance(await gate.check(message), Accepted)


async def test_a_schema_that_is_registered_later_is_known_after_a_while() -> None:
    text, registry = committed_contracts.schema_text(SCORED), MemoryRegistry()
    gate = impatient_gate(registry)
    early = record(encode(SchemaId(1), parse(text), DATA[SCORED]), headers(SCORED))
    assert await rejection(gate, early) == (Reason.UNKNOWN_SCHEMA, "")
    assert registry.register(SCORED, text) == 1
    assert isinstance(await gate.check(early), Accepted)


async def test_a_schema_that_many_records_need_at_once_is_asked_for_once(
    gate: Gate, registry: MemoryRegistry, good: Record
) -> None:
    registry.asked.clear()
    verdicts = await asyncio.gather(*(gate.check(good) for _ in range(10)))
    assert all(isinstance(verdict, Accepted) for verdict in verdicts)
    assert [what for what, _ in registry.asked].count("schema_text") == 1


async def test_schemas_are_remembered_within_bounds_and_the_oldest_goes_first(
    registry: MemoryRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signalbox.gate.schemas._KNOWN", 2)
    schemas = WriterSchemas(registry, Limits())
    for schema_id in (1, 2, 3):
        await schemas.get(SchemaId(schema_id))
    registry.asked.clear()
    for schema_id in (3, 2, 1):
        assert await schemas.get(SchemaId(schema_id)) is not None
    assert registry.asked == [("schema_text", 1)]


async def test_an_id_that_a_follower_learns_between_the_two_questions_is_known(
    registry: MemoryRegistry,
) -> None:
    class Lagging(MemoryRegistry):
        async def schema_text(self, schema_id: SchemaId) -> str | None:
            known = await super().schema_text(schema_id)
            return known if len(self.asked) > 1 else None

    lagging = Lagging()
    value = framed(lagging, SCORED)
    assert isinstance(await impatient_gate(lagging).check(record(value, headers(SCORED))), Accepted)


async def test_a_valid_id_of_another_subject_is_not_admitted(gate: Gate, registry: MemoryRegistry) -> None:
    schema = foreign("Note", {"name": "text", "type": "string"})
    schema_id = registry.register("sdr.Note", schema)
    value = encode(schema_id, parse(json.dumps(schema)), {"text": "x"})
    assert await rejection(gate, record(value, headers("sdr.Note"))) == (Reason.NOT_ADMITTED, "")


async def test_a_borrowed_name_under_another_subject_is_not_admitted(
    gate: Gate, registry: MemoryRegistry
) -> None:
    schema_id = registry.register("other.Subject", foreign("LeadScored", {"name": "text", "type": "string"}))
    value = b"\0" + schema_id.to_bytes(4, "big") + b"\2x"
    assert await rejection(gate, record(value, headers(SCORED))) == (Reason.NOT_ADMITTED, "")


async def test_a_foreign_name_under_an_admitted_subject_is_not_admitted(
    gate: Gate, registry: MemoryRegistry
) -> None:
    schema_id = registry.register(SCORED, foreign("Other", {"name": "text", "type": "string"}))
    value = b"\0" + schema_id.to_bytes(4, "big") + b"\2x"
    assert await rejection(gate, record(value, headers(SCORED))) == (Reason.NOT_ADMITTED, "")


@pytest.mark.parametrize("text", ['"string"', '{"type": "enum", "name": "sdr.LeadScored", "symbols": ["A"]}'])
async def test_what_is_no_record_is_not_admitted(gate: Gate, registry: MemoryRegistry, text: str) -> None:
    value = b"\0" + registry.register(SCORED, text).to_bytes(4, "big") + b"\0"
    assert await rejection(gate, record(value, headers(SCORED))) == (Reason.NOT_ADMITTED, "")


async def test_a_record_type_is_admitted_by_topic(gate: Gate, registry: MemoryRegistry) -> None:
    message = record(framed(registry, SCORED), headers(SCORED), topic=INCOMING_LEADS)
    assert await rejection(gate, message) == (Reason.NOT_ADMITTED, "")


async def test_a_registration_that_comes_later_admits(gate: Gate, registry: MemoryRegistry) -> None:
    text = committed_contracts.schema_text(SCORED)
    fresh = MemoryRegistry()
    schema_id = fresh.register("other.Subject", text)
    late = impatient_gate(fresh)
    message = record(encode(schema_id, parse(text), DATA[SCORED]), headers(SCORED))
    assert await rejection(late, message) == (Reason.NOT_ADMITTED, "")
    fresh.register(SCORED, text)
    assert isinstance(await late.check(message), Accepted)


async def test_what_uses_a_schema_is_asked_once_a_second_however_many_records_are_not_admitted(
    registry: MemoryRegistry, clock: Clock
) -> None:
    gate = Gate(registry, Contracts(registry), sdr_admission(), schemas=WriterSchemas(registry, Limits()))
    schema_id = registry.register("other.Subject", foreign("Other", {"name": "text", "type": "string"}))
    message = record(b"\0" + schema_id.to_bytes(4, "big") + b"\2x", headers(SCORED))
    asked = []
    for moment in (10.0, 10.5, 11.0, 11.1, 12.0, 12.2):
        clock.now = moment
        assert await rejection(gate, message) == (Reason.NOT_ADMITTED, "")
        asked.append(registry.asked.count(("usages", schema_id)))
    assert asked == [1, 1, 1, 2, 2, 3]


async def test_a_deleted_version_still_admits_what_was_written_with_it(
    gate: Gate, registry: MemoryRegistry
) -> None:
    message = record(framed(registry, SCORED), headers(SCORED))
    newer = json.loads(committed_contracts.schema_text(SCORED))
    newer["fields"].append({"name": "more", "type": ["null", "string"], "default": None})
    registry.register(SCORED, newer)
    registry.soft_delete(SCORED, 1)
    verdict = await gate.check(message)
    assert isinstance(verdict, Accepted)
    assert verdict.datum["more"] is None


async def test_a_contract_that_holds_now_reads_what_an_older_writer_wrote(
    gate: Gate, registry: MemoryRegistry, good: Record
) -> None:
    newer = json.loads(committed_contracts.schema_text(SCORED))
    newer["fields"][1]["confluent:rules"] = [{"name": "at_least_90", "expr": "this >= 90"}]
    assert isinstance(await gate.check(good), Accepted)
    registry.register(SCORED, newer)
    await gate.contracts.refresh()
    assert await rejection(gate, good) == (Reason.RULE_VIOLATED, "score")


async def test_what_was_written_is_told_whichever_contract_read_it(
    registry: MemoryRegistry, good: Record
) -> None:
    newer = json.loads(committed_contracts.schema_text(SCORED))
    newer["fields"].append({"name": "more", "type": ["null", "string"], "default": None})
    registry.register(SCORED, newer)
    verdict = await impatient_gate(registry).check(good)
    assert isinstance(verdict, Accepted)
    datum, schema = verdict.written()
    assert ("more" in verdict.datum, "more" in datum) == (True, False)
    assert schema.text == committed_contracts.schema_text(SCORED)
    assert replace(verdict, writer=None).written() == (verdict.datum, verdict.contract.schema)


async def test_no_version_to_hold_to_is_incompatible(
    gate: Gate, registry: MemoryRegistry, good: Record
) -> None:
    for version in (1, 2):
        registry.soft_delete(SCORED, version)
    assert await rejection(gate, good) == (Reason.INCOMPATIBLE, "")


@pytest.mark.parametrize("available_for", [0, 1, 2])
async def test_an_unreachable_registry_is_a_bad_moment_and_no_bad_record(
    good: Record, available_for: int
) -> None:
    class Failing(MemoryRegistry):
        def _ask(self, what: str, of: object) -> None:
            self.available = len(self.asked) < available_for
            super()._ask(what, of)

    failing = Failing()
    value = framed(failing, SCORED)
    gate = impatient_gate(failing)
    with pytest.raises(Unavailable):
        await gate.check(record(value, headers(SCORED)))


async def test_what_is_known_is_not_asked_again(gate: Gate, registry: MemoryRegistry, good: Record) -> None:
    await gate.check(good)
    asked = len(registry.asked)
    registry.available = False
    assert isinstance(await gate.check(good), Accepted)
    assert len(registry.asked) == asked


async def test_a_detail_is_never_longer_than_a_header_should_be(gate: Gate, registry: MemoryRegistry) -> None:
    scored = {**DATA[SCORED], "lead": {**lead(), "email": "x" * 1000}}
    verdict = await gate.check(record(framed(registry, SCORED, scored), headers(SCORED)))
    assert isinstance(verdict, Rejected)
    assert len(verdict.detail) <= 500


async def test_each_check_says_in_words_what_it_found(
    gate: Gate, registry: MemoryRegistry, good: Record
) -> None:
    borrowed = registry.register("other.Subject", foreign("Other", {"name": "text", "type": "string"}))
    unsafe = registry.register("sdr.Unsafe", '{"type": "record"')
    plain = registry.register("sdr.Plain", '"string"')
    value, id_of = good.value or b"", {"Other": borrowed, "Unsafe": unsafe, "Plain": plain}
    nowhere = "is registered under no record type that agent_messages admits"
    for message, expected in (
        (
            replace(good, headers=(("", None),) * 10_001),
            Rejected(Reason.TOO_LARGE, "10001 headers, more than 10000"),
        ),
        (
            replace(good, value=b"x" * 262_144, headers=(("a", b"b"), ("a", None))),
            Rejected(Reason.TOO_LARGE, "value and headers have 262147 bytes together, more than 262144"),
        ),
        (
            replace(good, unreadable_headers=True),
            Rejected(Reason.HEADER_INVALID, "the name of a header is not UTF-8, so no header can be read"),
        ),
        (
            replace(good, value=b"\0\0\0\0\x63"),
            Rejected(Reason.UNKNOWN_SCHEMA, "the registry does not know schema id 99"),
        ),
        (
            replace(good, headers=headers("sdr.LeadCaptured")),
            Rejected(
                Reason.NOT_ADMITTED,
                "ce_type says sdr.LeadCaptured, the schema says sdr.LeadScored",
                "ce_type",
            ),
        ),
        *(
            (
                replace(good, value=b"\0" + id_of[name].to_bytes(4, "big")),
                Rejected(Reason.NOT_ADMITTED, f"schema id {id_of[name]} ({said}) {nowhere}"),
            )
            for name, said in (
                ("Other", "sdr.Other"),
                ("Unsafe", "an unsafe schema"),
                ("Plain", "no record"),
            )
        ),
        (
            replace(good, value=value + b"x"),
            Rejected(
                Reason.MALFORMED,
                f"1 bytes are left over after the datum, at byte {len(value) - 5} of the Avro body",
            ),
        ),
    ):
        assert await told(gate, message) == expected


async def test_that_no_version_can_be_held_to_is_told_with_the_record_type(
    gate: Gate, registry: MemoryRegistry, good: Record
) -> None:
    registry.soft_delete(SCORED, 1)
    assert await told(gate, good) == Rejected(
        Reason.INCOMPATIBLE, "no version of sdr.LeadScored can be held to now"
    )


async def test_a_detail_is_cut_at_five_hundred_characters(gate: Gate, registry: MemoryRegistry) -> None:
    newer = json.loads(committed_contracts.schema_text(SCORED))
    newer["confluent:rules"] = [{"name": "none", "doc": "y" * 1000, "expr": "false"}]
    registry.register(SCORED, newer)
    message = record(framed(registry, SCORED), headers(SCORED))
    assert await told(gate, message) == Rejected(Reason.RULE_VIOLATED, f"none: {'y' * 494}")


async def test_a_lead_that_says_nothing_of_itself_comes_from_intake(
    gate: Gate, registry: MemoryRegistry
) -> None:
    verdict = await gate.check(record(framed(registry, "sdr.LeadCaptured"), (), topic=INCOMING_LEADS))
    assert isinstance(verdict, Accepted)
    assert (verdict.envelope.source, verdict.lead_id) == ("intake", "lead-1")


async def test_a_verdict_is_an_error_with_the_same_words(gate: Gate, good: Record) -> None:
    refusal = (await told(gate, replace(good, key=None))).refusal
    assert (refusal.reason, refusal.field) == (Reason.HEADER_INVALID, "key")
    assert refusal.detail == (await told(gate, replace(good, key=None))).detail


class Slow(MemoryRegistry):
    """Answers when the test says so, and then is away."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_for, self.answers = asyncio.Event(), asyncio.Event()

    async def schema_text(self, schema_id: SchemaId) -> str | None:
        self.asked_for.set()
        await self.answers.wait()
        raise Unavailable("registry", "it went away")


@pytest.mark.parametrize("stopped", [False, True], ids=["it fails", "the loop ends"])
async def test_a_question_that_no_one_waits_for_any_more_ends_without_a_warning(stopped: bool) -> None:
    warnings: list[Any] = []
    loop, slow = asyncio.get_running_loop(), Slow()
    schemas, before = WriterSchemas(slow, Limits()), asyncio.all_tasks()
    loop.set_exception_handler(lambda _, context: warnings.append(context))
    try:
        waiting = asyncio.create_task(schemas.get(SchemaId(1)))
        await slow.asked_for.wait()
        waiting.cancel()
        await asyncio.wait([waiting])
        [asking] = asyncio.all_tasks() - before
        asking.cancel() if stopped else slow.answers.set()
        await asyncio.wait([asking])
        del waiting, asking
        await asyncio.sleep(0)
        gc.collect(0)
    finally:
        loop.set_exception_handler(None)
    assert warnings == []
