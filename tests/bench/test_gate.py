"""What the gate costs a record, as a ratio to the raw library in the same run: figures, no assertions."""

import io
import json
import statistics
import struct
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import fastavro
import pytest

from committed_contracts import schema_text
from memory_registry import headers, record, sdr_admission
from signalbox.avro import encode, parse
from signalbox.gate import Accepted, Contracts, Gate
from signalbox_agent.testing import MemoryRegistry

ROUNDS, CALLS = 7, 400
LEAD = {
    "lead_id": "lead-1",
    "name": "Ada Nowak",
    "email": "ada@ferrum.example",
    "company_name": "Ferrum Werke",
    "job_title": "Head of Logistics",
    "lead_source": "webinar",
    "company_website": "https://ferrum.example",
    "project_description": "We want to plan 400 trucks a day without spreadsheets.",
    "captured_at": datetime.now(UTC),
}
SCORED = {
    "lead": LEAD,
    "score": 80,
    "next_step": "ACTIVELY_ENGAGE",
    "talking_points": ["trucks", "spreadsheets", "budget"],
    "rationale": "A head of logistics with a project and a budget.",
}


async def microseconds(call: Callable[[], Awaitable[Any]]) -> float:
    """Return the median time of a call over several rounds."""
    rounds = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(CALLS):
            await call()
        rounds.append((time.perf_counter() - began) / CALLS * 1e6)
    return statistics.median(rounds)


@pytest.mark.parametrize(
    ("record_type", "datum"), [("sdr.LeadCaptured", {"lead": LEAD}), ("sdr.LeadScored", SCORED)]
)
async def test_the_gate_against_a_bare_decoder(record_type: str, datum: dict[str, Any]) -> None:
    registry, text = MemoryRegistry(), schema_text(record_type)
    schema_id = registry.register(record_type, text)
    gate = Gate(registry, Contracts(registry), sdr_admission())
    value = encode(schema_id, parse(text), datum)
    sent = record(value, headers(record_type))
    assert isinstance(await gate.check(sent), Accepted)
    parsed = fastavro.parse_schema(json.loads(text))

    async def bare() -> Any:
        magic, _ = struct.unpack(">bI", value[:5])
        assert magic == 0
        return fastavro.schemaless_reader(io.BytesIO(value[5:]), parsed, parsed)

    through_the_gate = await microseconds(lambda: gate.check(sent))
    decoded = await microseconds(bare)
    print(
        f"\n{record_type}: gate {through_the_gate:.0f} us, bare fastavro {decoded:.0f} us, "
        f"ratio {through_the_gate / decoded:.1f}; {1e6 / through_the_gate:,.0f} records a second on one core"
    )
