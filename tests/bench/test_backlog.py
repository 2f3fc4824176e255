"""With a large backlog the orchestrator's memory stays within what docs/guarantees.md says.

``BACKLOG`` records (100,000): nine of ten lie on ``agent_messages`` before the orchestrator starts, and are
refused and dead-lettered. The last tenth waits, since no agent is there that could take it.
"""

import asyncio
import os
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import psutil
import pytest

from committed_contracts import schema_text
from local_stack import Stack
from signalbox.avro import encode, parse
from signalbox.kafka import KafkaSettings, Producer, Reader
from signalbox.protocol.envelope import Envelope, correlation_id_of
from signalbox.protocol.names import (
    AGENT_MESSAGES,
    LeadId,
    MessageId,
    RecordType,
    SchemaId,
    dead_letter_topic,
)
from signalbox.protocol.records import Draft

BACKLOG = int(os.environ.get("BACKLOG", "100000"))
MIB = 1024 * 1024
BOUND = 400 * MIB
"""Bytes of resident memory, as docs/guarantees.md promises."""
IN_FLIGHT_LIMIT = 256
_AT_ONCE = 2000
SCHEMA = parse(schema_text("sdr.LeadCaptured"))


@pytest.fixture(scope="module")
def small_stack(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack without agents, whose orchestrator is stopped."""
    with Stack(
        root,
        tmp_path_factory.mktemp("backlog"),
        ports="free",
        services=["broker", "registry", "orchestrator"],
        extra_env={"LLM_MODEL": "offline"},
    ) as stack:
        stack.kill("orchestrator")
        yield stack


def message(number: int, schema_id: SchemaId | None) -> Draft:
    lead_id = LeadId(f"lead-{number}")
    envelope = Envelope(
        id=MessageId(f"m-{number}"),
        source="backlog",
        type=RecordType("sdr.LeadCaptured"),
        time=datetime.now(UTC),
        correlation_id=correlation_id_of(lead_id),
    )
    lead = {
        "lead_id": lead_id,
        "name": "Ada Nowak",
        "email": "ada@ferrum.example",
        "company_name": "Ferrum",
        "job_title": "Head of Logistics",
        "lead_source": "webinar",
        "captured_at": datetime.now(UTC),
    }
    value = b"not framed" if schema_id is None else encode(schema_id, SCHEMA, {"lead": lead})
    return Draft(AGENT_MESSAGES, lead_id.encode(), value, envelope.headers())


async def test_the_orchestrators_memory_is_bounded_with_a_backlog(small_stack: Stack) -> None:
    kafka = KafkaSettings(bootstrap_servers=small_stack.addresses["broker"])
    async with httpx2.AsyncClient() as http:
        url = f"{small_stack.addresses['registry']}/subjects/sdr.LeadCaptured/versions/latest"
        schema_id = SchemaId((await http.get(url)).raise_for_status().json()["id"])
    producer = Producer(kafka, "backlog")
    refused = BACKLOG * 9 // 10
    await publish(producer, [message(number, None) for number in range(refused)])

    small_stack.redeploy("orchestrator")
    process = psutil.Process(small_stack.process("orchestrator").pid)
    at_start = most = process.memory_info().rss
    dead_letters, reader = 0, Reader(kafka, [dead_letter_topic(AGENT_MESSAGES)], "backlog-letters")
    began = time.perf_counter()
    async with asyncio.timeout(1500):
        async for batch in reader.records():
            dead_letters += len(batch)
            most = max(most, process.memory_info().rss)
            if dead_letters >= refused:
                break
    await reader.close()
    elapsed = time.perf_counter() - began

    await publish(producer, [message(number, schema_id) for number in range(refused, BACKLOG)])
    await producer.close()
    async with asyncio.timeout(120):  # no agent is there, so as many wait as may be in flight
        while await in_flight(small_stack) < IN_FLIGHT_LIMIT:
            await asyncio.sleep(0.2)
            most = max(most, process.memory_info().rss)
    print(
        f"\nbacklog {BACKLOG}: {at_start // MIB} MiB at start, {most // MIB} MiB at most;"
        f" {refused / elapsed:.0f} dead letters a second"
    )
    assert most < BOUND


async def publish(producer: Producer, drafts: list[Draft]) -> None:
    for first in range(0, len(drafts), _AT_ONCE):
        await producer.publish(*drafts[first : first + _AT_ONCE])


async def in_flight(stack: Stack) -> float:
    async with httpx2.AsyncClient() as http:
        metrics = (await http.get(f"{stack.addresses['orchestrator']}/metrics")).text
    [value] = re.findall(r'signalbox_in_flight\{stage="routing"\} ([0-9.]+)', metrics)
    return float(value)
