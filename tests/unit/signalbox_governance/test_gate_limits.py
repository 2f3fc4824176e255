"""Messages that are as large as may be: they get a verdict, and no more memory than a message may cost."""

import json
import tracemalloc
from typing import Any

import pytest

import committed_contracts
from gate_fuzz import DATA_BY_TYPE
from memory_registry import headers, impatient_gate, record
from signalbox.avro import Limits, encode, frame, parse
from signalbox.gate import Accepted, Rejected
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Record
from signalbox_agent.testing import MemoryRegistry

SCORED = "sdr.LeadScored"
MEMORY = 64 * 1024 * 1024


def scored(registry: MemoryRegistry, points: list[str], rationale: str) -> Record:
    text = committed_contracts.schema_text(SCORED)
    datum = {**DATA_BY_TYPE[SCORED], "talking_points": points, "rationale": rationale}
    unlimited = Limits(max_items=10**9, max_values=10**9)
    return record(encode(registry.register(SCORED, text), parse(text), datum, unlimited), headers(SCORED))


def size(message: Record) -> int:
    return len(message.value or b"") + sum(len(name) + len(value or b"") for name, value in message.headers)


async def test_a_record_at_both_size_limits_is_accepted_and_one_byte_more_is_not(
    registry: MemoryRegistry,
) -> None:
    points = ["0123456789"] * 10_000
    rest = 256 * 1024 - size(scored(registry, points, "x" * 100_000)) + 100_000
    largest = scored(registry, points, "x" * rest)
    assert size(largest) == 256 * 1024
    gate = impatient_gate(registry)
    assert isinstance(await gate.check(largest), Accepted)
    assert await reason(registry, scored(registry, points, "x" * (rest + 1))) is Reason.TOO_LARGE
    assert await reason(registry, scored(registry, [*points, "x"], "x")) is Reason.TOO_LARGE


async def reason(registry: MemoryRegistry, message: Record) -> Reason | None:
    verdict = await impatient_gate(registry).check(message)
    return verdict.reason if isinstance(verdict, Rejected) else None


def array(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def of(*kinds: Any) -> dict[str, Any]:
    fields = [{"name": f"f{index}", "type": kind} for index, kind in enumerate(kinds)]
    return {"type": "record", "name": "Item", "fields": fields}


TIME = {"type": "long", "logicalType": "timestamp-micros"}
DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 1000}
HEAVY = {
    "ten thousand empty texts": (array("string"), b"\xa0\x9c\x01" + b"\0" * 10_000 + b"\0"),
    "ten thousand records of four texts": (
        array(of(*["string"] * 4)),
        b"\xa0\x9c\x01" + b"\2x" * 40_000 + b"\0",
    ),
    "ten thousand records of nulls": (
        array(of("boolean", *["null"] * 3)),
        b"\xa0\x9c\x01" + b"\0" * 10_000 + b"\0",
    ),
    "ten thousand maps": (
        array({"type": "map", "values": "int"}),
        b"\x90\x4e" + b"\2\2k\2\0" * 5_000 + b"\0",
    ),
    "ten thousand times": (array(TIME), b"\xa0\x9c\x01" + b"\x80\x80\x80\x80\x80\x80\x80\1" * 10_000 + b"\0"),
    "decimals of a thousand digits": (array(DECIMAL), b"\xf0\3" + (b"\xb8\6" + b"\x11" * 412) * 248 + b"\0"),
    "one long text": ("string", b"\x80\xea\x1f" + b"x" * 260_736),
    "one long text of ten thousand blocks": (array("boolean"), b"\2\1" * 10_000 + b"\0"),
}


@pytest.mark.parametrize("case", HEAVY)
async def test_a_heavy_message_gets_a_verdict_within_the_memory_of_one(case: str) -> None:
    kind, body = HEAVY[case]
    registry = MemoryRegistry()
    schema = {"type": "record", "name": "sdr.Heavy", "fields": [{"name": "it", "type": kind}]}
    message = record(frame(registry.register("sdr.Heavy", json.dumps(schema)), body), headers("sdr.Heavy"))
    gate = impatient_gate(registry, "sdr.Heavy")
    tracemalloc.start()
    try:
        verdict = await gate.check(message)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(verdict, Accepted), verdict
    assert peak < MEMORY
