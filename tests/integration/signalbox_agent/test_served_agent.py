"""An agent as people run it: a process, with a real broker, a real registry and real signals."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from committed_contracts import schema_text
from local_stack import Stack
from signalbox.avro import decode, encode, parse, unframe
from signalbox.kafka import KafkaSettings, read_to_end
from signalbox.protocol.agent_http import messages_url, request_headers
from signalbox.protocol.envelope import Envelope, correlation_id_of
from signalbox.protocol.names import AGENT_MESSAGES, AGENT_REGISTRY, LeadId, MessageId, RecordType, Subject
from signalbox.protocol.records import Record
from signalbox.registry.client import Registry, RegistrySettings

PROFILED = RecordType("sdr.LeadProfiled")


def profiled(lead_id: str) -> dict[str, Any]:
    now = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    lead = {
        "lead_id": lead_id,
        "name": "Ada Łovelace",
        "email": "ada@engines.example",
        "company_name": "Analytical Engines",
        "job_title": "Countess",
        "lead_source": "webinar",
        "captured_at": now,
    }
    report = {"summary": "They compute.", "pain_points": [], "buying_signals": [], "sources": []}
    return {"lead": lead, "report": report}


async def body_of(governed: Stack, lead_id: str) -> bytes:
    registry = Registry(RegistrySettings(url=governed.env["SCHEMA_REGISTRY_URL"]))
    try:
        schema_id = await registry.lookup(Subject(PROFILED), schema_text(PROFILED))
    finally:
        await registry.close()
    assert schema_id is not None
    return encode(schema_id, parse(schema_text(PROFILED)), profiled(lead_id))


def headers_of(lead_id: str) -> dict[str, str]:
    lead = LeadId(lead_id)
    envelope = Envelope(
        id=MessageId(f"profiled-{lead_id}"),
        source="test",
        type=PROFILED,
        time=datetime.now(UTC),
        correlation_id=correlation_id_of(lead),
        hop=2,
    )
    return request_headers(envelope, lead)


def records(governed: Stack, topic: str, key: str) -> list[Record]:
    settings = KafkaSettings(bootstrap_servers=governed.env["KAFKA_BOOTSTRAP_SERVERS"])
    return [record for record in read_to_end(settings, [topic]) if record.key == key.encode()]


@pytest.fixture
def lead_id() -> str:
    return f"lead-ł-{uuid4()}"


async def test_a_served_agent_announces_itself_answers_durably_and_answers_the_same_again(
    agents: Any, governed: Stack, lead_id: str, tmp_path: Path
) -> None:
    agent = agents.start()
    agent.until_ready()

    announced = records(governed, AGENT_REGISTRY, "second_opinion")[-1]
    definition = decode(unframe(announced.value)[1], parse(schema_text("control.AgentRegistered")))
    assert definition["endpoint"] == agent.url
    assert [entry["version"] for entry in definition["contracts"]] == [1, 1]

    body, headers = await body_of(governed, lead_id), headers_of(lead_id)
    first = httpx2.post(messages_url(agent.url), content=body, headers=headers, auth=agent.auth)
    assert first.status_code == 200, first.text
    assert agent.stop() == 0

    again = agents.start()
    again.until_ready()
    second = httpx2.post(messages_url(again.url), content=body, headers=headers, auth=again.auth)
    assert second.json() == first.json()

    once, twice = records(governed, AGENT_MESSAGES, lead_id)
    assert (once.value, once.headers) == (twice.value, twice.headers)
    scored = decode(unframe(once.value)[1], parse(schema_text("sdr.LeadScored")))
    assert (scored["score"], scored["lead"]["name"]) == (70, "Ada Łovelace")
    assert Envelope.parse(once.headers).hop == 3
    assert len((tmp_path / "calls.jsonl").read_text().splitlines()) == 1


async def test_a_message_in_flight_is_finished_when_the_agent_is_told_to_stop(
    agents: Any, governed: Stack, lead_id: str
) -> None:
    agent = agents.start(SLOWLY="1.5")
    agent.until_ready()
    body, headers = await body_of(governed, lead_id), headers_of(lead_id)
    async with httpx2.AsyncClient(timeout=30) as client:
        post = asyncio.create_task(
            client.post(messages_url(agent.url), content=body, headers=headers, auth=agent.auth)
        )

        async def in_flight() -> bool:
            metrics = (await client.get(f"{agent.url}/metrics")).text
            return 'signalbox_agent_in_flight{agent="second_opinion"} 1.0' in metrics

        async with asyncio.timeout(60):
            while not await in_flight():
                await asyncio.sleep(0.02)
        assert await asyncio.to_thread(agent.stop) == 0
        assert (await post).status_code == 200
    assert len(records(governed, AGENT_MESSAGES, lead_id)) == 1


async def test_an_agent_that_starts_before_the_registry_waits_for_it(agents: Any) -> None:
    agent = agents.start(SCHEMA_REGISTRY_URL="http://127.0.0.1:9")
    async with httpx2.AsyncClient() as client, asyncio.timeout(90):
        while True:
            try:
                answer = await client.get(f"{agent.url}/readyz")
            except httpx2.TransportError:
                await asyncio.sleep(0.05)
                continue
            if any(why.startswith("registry: ") for why in answer.json()["waiting_for"]):
                break
            await asyncio.sleep(0.05)
        assert (await client.get(f"{agent.url}/healthz")).is_success
    assert await asyncio.to_thread(agent.stop) == 0
