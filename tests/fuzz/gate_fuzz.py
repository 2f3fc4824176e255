"""Mutate framed messages and check what the gate makes of them: ``gate_fuzz.py --count 1000000``.

The corpus has good records of every contract and schema, and a seed for each reason of the gate; mutations
flip, cut, insert, repeat and splice their bytes, keys and headers. Exit status 0 says: no crash, no message
slower than 50 ms, every reason was seen, and each accepted datum survives decode, encode, decode.
"""

import asyncio
import json
import math
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

# Run as a script, too; pytest has this folder on its path by itself.
sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))

import committed_contracts
from fuzz_command import run, show
from memory_registry import SDR, headers, impatient_gate, record
from signalbox.avro import decode, encode, parse, unframe
from signalbox.gate import Accepted, Gate
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import INCOMING_LEADS, SchemaId
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Record
from signalbox_agent.testing import MemoryRegistry

GATE_REASONS = tuple(Reason)[:9]
SLOW_S = 0.05
"""What one message may take. One that takes long is checked again: it may have been the garbage collector."""
ODD = "fuzz.Odd"
ODD_SCHEMA = {
    "type": "record",
    "name": "Odd",
    "namespace": "fuzz",
    "fields": [
        {"name": "flag", "type": "boolean"},
        {"name": "small", "type": "int", "confluent:rules": [{"name": "small", "expr": "this < 1000"}]},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-micros"}]},
        {"name": "clock", "type": {"type": "int", "logicalType": "time-millis"}},
        {"name": "ratio", "type": "double"},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}},
        {"name": "raw", "type": {"type": "fixed", "name": "Raw", "size": 3}},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B", "C"]}},
        {"name": "counts", "type": {"type": "map", "values": "long"}},
        {"name": "trail", "type": {"type": "array", "items": ["null", "string", "Raw", "Kind"]}},
    ],
}


@dataclass
class Tally:
    count: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    crashes: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)
    unequal: list[str] = field(default_factory=list)
    slowest_s: float = 0.0

    @property
    def unseen(self) -> list[Reason]:
        return [reason for reason in GATE_REASONS if reason not in self.verdicts]

    @property
    def failed(self) -> bool:
        return bool(self.crashes or self.hangs or self.unequal or self.unseen)


def lead() -> dict[str, Any]:
    return {
        "lead_id": "lead-1",
        "name": "Ada Example",
        "email": "ada@analytical.example",
        "company_name": "Analytical Engines",
        "job_title": "Head of Computing",
        "lead_source": "webinar",
        "captured_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    }


def data() -> Iterator[tuple[str, dict[str, Any]]]:
    """Give good records of the contracts."""
    mail = {"to": lead()["email"], "subject": "Hello", "body": "Looms?", "send_after_hours": 24}
    source = {
        "kind": "website",
        "location": "https://analytical.example",
        "retrieved_at": lead()["captured_at"],
    }
    report = {"summary": "Looms.", "pain_points": ["a", "b"], "buying_signals": [], "sources": [source]}
    scored = {"score": 80, "next_step": "NURTURE", "talking_points": ["x", "y"], "rationale": "Fits."}
    yield "sdr.LeadCaptured", {"lead": {**lead(), "company_website": "https://analytical.example"}}
    yield "sdr.LeadProfiled", {"lead": lead(), "report": report}
    yield "sdr.LeadScored", {"lead": lead(), **scored}
    yield (
        "sdr.CampaignDrafted",
        {"lead": lead(), "campaign_type": "NURTURE", "emails": [mail, {**mail, "subject": "Hello again"}]},
    )


DATA_BY_TYPE = dict(data())


def fuzzed_registry() -> tuple[MemoryRegistry, dict[str, SchemaId]]:
    """Register the contracts, an odd schema with every type, and a schema for each reason that takes one."""
    registry = MemoryRegistry()
    ids = {name: registry.register(name, committed_contracts.schema_text(name)) for name in SDR}
    ids[ODD] = registry.register(ODD, ODD_SCHEMA)
    recursive = _record("LeadScored", {"name": "next", "type": ["null", "sdr.LeadScored"]})
    nulls = _record("LeadScored", {"name": "x", "type": {"type": "array", "items": "null"}})
    other = _record("LeadScored", {"name": "score", "type": "int"})
    for name, schema in {"recursive": recursive, "nulls": nulls, "other": other}.items():
        ids[name] = registry.register("sdr.LeadScored", schema)
        registry.soft_delete("sdr.LeadScored", len(ids) - len(SDR))
    ids["foreign"] = registry.register(
        "foreign.Note", _record("LeadScored", {"name": "text", "type": "string"})
    )
    return registry, ids


def _record(name: str, *fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": name, "namespace": "sdr", "fields": list(fields)}


def corpus(ids: dict[str, SchemaId]) -> list[Record]:
    seeds = []
    for name, datum in data():
        value = encode(ids[name], parse(committed_contracts.schema_text(name)), datum)
        seeds.append(record(value, headers(name)))
    captured = seeds[0]
    seeds.append(replace(captured, topic=INCOMING_LEADS, headers=()))
    odd = {
        "flag": True,
        "small": 7,
        "day": 20_000,
        "at": 1_767_323_045_000_000,
        "clock": 1,
        "ratio": 0.5,
        "price": b"\x01\x00",
        "raw": b"abc",
        "kind": "B",
        "counts": {"a": 1, "b": -(2**63)},
        "trail": [None, "text", b"abc", "A"],
    }
    seeds.append(record(_encoded_odd(ids[ODD], odd), headers(ODD)))
    scored = headers("sdr.LeadScored")
    seeds.append(record(b"\0" * 262_140 + b"\0\0\0\0\0", scored))
    seeds.append(record(b"\0\x7f\xff\xff\xf0\0", scored))
    for name, body in {
        "recursive": b"\2" * 5000,
        "nulls": b"\x80\xe1\xeb\x17\0",
        "other": b"\2",
        "foreign": b"\2a",
    }.items():
        seeds.append(record(b"\0" + ids[name].to_bytes(4, "big") + body, scored))
    seeds.append(replace(seeds[2], key=None))
    seeds.append(replace(seeds[2], value=(seeds[2].value or b"") + b"\0"))
    seeds.append(replace(seeds[2], headers=headers("sdr.LeadProfiled")))
    seeds.append(record(b"{}", scored))
    return seeds


def _encoded_odd(schema_id: SchemaId, datum: dict[str, Any]) -> bytes:
    plain = json.loads(json.dumps(ODD_SCHEMA).replace("logicalType", "meant"))
    return encode(schema_id, parse(json.dumps(plain)), datum)


class Mutator:
    def __init__(self, seeds: list[Record], chance: random.Random) -> None:
        self._seeds = seeds
        self._chance = chance

    def mutated(self) -> Record:
        chance = self._chance
        seed = chance.choice(self._seeds)
        if chance.random() < 0.05:
            return seed
        if chance.random() < 0.1:
            return self._other_headers(seed)
        value = bytearray(seed.value or b"")
        for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
            self._change(value)
        return replace(seed, value=bytes(value))

    def _change(self, value: bytearray) -> None:
        chance = self._chance
        # Past the frame mostly: what is inside is what takes finding.
        start = 5 if len(value) > 6 and chance.random() < 0.9 else 0
        at = chance.randrange(start, len(value)) if len(value) > start else 0
        match chance.randrange(8):
            case 0 if value:
                value[at] ^= 1 << chance.randrange(8)
            case 1 if value:
                value[at] = chance.choice((0, 1, 2, 0x7E, 0x7F, 0x80, 0xFF, chance.randrange(256)))
            case 2:
                del value[at : at + chance.choice((1, 1, 2, 4, 16, len(value)))]
            case 3:
                value[at:at] = chance.randbytes(chance.choice((1, 1, 2, 4, 16, 200)))
            case 4:
                value[at:at] = _varint(
                    chance.choice((-1, 0, 1, 10_000, 10_001, 2**31, 2**62, 2**63 - 1, -(2**63)))
                )
            case 5:
                value[at:at] = value[at : at + chance.randrange(1, 40)] * chance.choice((1, 2, 50))
            case 6:
                value[at : at + 10] = _varint(chance.getrandbits(64) - 2**63)
            case _:
                other = chance.choice(self._seeds).value or b""
                value[at:] = other[chance.randrange(len(other) + 1) :][:2000]

    def _other_headers(self, seed: Record) -> Record:
        chance = self._chance
        if chance.random() < 0.3:
            return replace(
                seed, key=chance.choice((None, b"", b"\xff", b"x\0", b"k" * 600, chance.randbytes(8)))
            )
        given = list(seed.headers or headers("sdr.LeadCaptured"))
        at = chance.randrange(len(given))
        name, value = given[at]
        match chance.randrange(4):
            case 0:
                del given[at]
            case 1:
                given[at] = (
                    name,
                    chance.choice((None, b"", chance.randbytes(6), b"-1", b"9" * 20, b"\xd9\xa3")),
                )
            case 2:
                given.append((name, chance.choice(given)[1]))
            case _:
                given[at] = name, bytes(chance.choice((0x20, byte)) for byte in value or b"")
        return replace(seed, headers=tuple(given))


def _varint(number: int) -> bytes:
    raw = (number << 1) ^ (number >> 63)
    out = bytearray()
    while raw > 0x7F:
        out.append(raw & 0x7F | 0x80)
        raw >>= 7
    return bytes([*out, raw])


async def fuzz(count: int, seed: int, *, progress: bool = False) -> Tally:
    registry, ids = fuzzed_registry()
    gate = impatient_gate(registry, ODD)
    mutator = Mutator(corpus(ids), random.Random(seed))
    tally = Tally()
    while tally.count < count:
        await _check_one(gate, mutator.mutated(), tally)
        registry.asked.clear()  # a log of a million entries would keep the garbage collector busy
        if progress and tally.count % 50_000 == 0:
            slowest = f"slowest {tally.slowest_s * 1e3:.1f} ms"
            print(f"{tally.count:>10,} messages, {len(tally.crashes)} crashes, {slowest}", flush=True)
    return tally


async def _check_one(gate: Gate, message: Record, tally: Tally) -> None:
    tally.count += 1
    started = time.thread_time()
    try:
        verdict = await gate.check(message)
    except Exception as error:  # noqa: BLE001  (finding any is the purpose)
        tally.crashes.append(f"{error!r} for {_shown(message)}")
        return
    took = time.thread_time() - started
    for _ in range(3 if took > SLOW_S / 5 else 0):
        started = time.thread_time()
        await gate.check(message)
        took = min(took, time.thread_time() - started)
    tally.slowest_s = max(tally.slowest_s, took)
    if took > SLOW_S:
        tally.hangs.append(f"{took:.2f} s for {_shown(message)}")
    if isinstance(verdict, Accepted):
        tally.verdicts["ACCEPTED"] += 1
        _check_round_trip(verdict, tally)
    else:
        tally.verdicts[verdict.reason] += 1


def _check_round_trip(accepted: Accepted, tally: Tally) -> None:
    contract = accepted.contract
    try:
        again = encode(contract.schema_id, contract.schema, accepted.datum)
        decoded = decode(unframe(again)[1], contract.schema)
    except Refusal as refusal:
        tally.unequal.append(f"{refusal} for {_shown(accepted.record)}")
        return
    if not same(decoded, accepted.datum):
        tally.unequal.append(_shown(accepted.record))


def same(left: object, right: object) -> bool:
    """Compare two data; NaN equals NaN."""
    match left, right:
        case dict(), dict():
            return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
        case list(), list():
            return len(left) == len(right) and all(map(same, left, right))
        case float(), float() if math.isnan(left):
            return math.isnan(right)
        case _:
            return type(left) is type(right) and left == right


def _shown(message: Record) -> str:
    value = message.value or b""
    headers_shown = f"{message.headers!r:.400}"
    return f"{message.topic} {len(value)} bytes {value[:200].hex()} key {message.key!r} {headers_shown}"


def report(tally: Tally, seed: int, took_s: float) -> None:
    print(f"seed {seed}: {tally.count:,} messages in {took_s:.0f} s, slowest {tally.slowest_s * 1e3:.1f} ms")
    for verdict in ("ACCEPTED", *GATE_REASONS):
        print(f"  {verdict:<16}{tally.verdicts[verdict]:>10,}")
    show(
        {
            "crashes": tally.crashes,
            "slower than 50 ms": tally.hangs,
            "unequal round trips": tally.unequal,
            "reasons never seen": tally.unseen,
        }
    )


def main() -> int:
    return run(
        __doc__,
        count=1_000_000,
        what="mutated messages",
        fuzz=lambda count, seed: asyncio.run(fuzz(count, seed, progress=True)),
        report=report,
    )


if __name__ == "__main__":
    sys.exit(main())
