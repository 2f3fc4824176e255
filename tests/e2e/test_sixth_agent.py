"""A new agent with a record type of its own joins while the system runs; nothing else is restarted."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

import sixth_agent
from operating import Operator, free_port, lead
from signalbox.avro import encode, parse
from signalbox.envelope import Envelope, correlation_id_of
from signalbox.kafka import Producer
from signalbox.names import AGENT_MESSAGES, LeadId, MessageId, RecordType, SchemaId
from signalbox.records import Draft


@pytest.fixture
async def reviewer_contract(operator: Operator) -> SchemaId:
    answer = await operator.http.post(
        f"{operator.stack.addresses['registry']}/subjects/{sixth_agent.RECORD_TYPE}/versions",
        json={"schema": sixth_agent.contract()},
    )
    assert answer.status_code == 200, answer.text
    return SchemaId(answer.json()["id"])


@pytest.fixture
async def reviewer(operator: Operator, reviewer_contract: SchemaId, tmp_path: Path) -> AsyncIterator[None]:
    """The sixth agent, as a person would start it: one process with the stack's environment."""
    port = free_port()
    log = (tmp_path / "reviewer.log").open("w")
    process = subprocess.Popen(
        [sys.executable, sixth_agent.__file__],
        env={**operator.stack.env, "REVIEWER_PORT": str(port)},
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(60):
            while not await is_ready(operator, port):
                assert process.poll() is None, (tmp_path / "reviewer.log").read_text()
                await asyncio.sleep(0.1)
        yield
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 30)
        log.close()


async def is_ready(operator: Operator, port: int) -> bool:
    try:
        return (await operator.http.get(f"http://127.0.0.1:{port}/readyz")).is_success
    except httpx.TransportError:
        return False


@pytest.mark.usefixtures("reviewer")
async def test_a_sixth_agent_gets_its_first_message_and_its_answer_is_routed_on(
    operator: Operator, producer: Producer, reviewer_contract: SchemaId
) -> None:
    orchestrator = operator.stack.process("orchestrator").pid
    fields = lead(700, job_title="Student", email="s700@gmail.com", project_description="For my thesis.")
    lead_id = await operator.post(**fields)
    assert await operator.settled([lead_id]) == {lead_id: "ended"}

    await producer.publish(asked_for_review(lead_id, fields, reviewer_contract))

    async with asyncio.timeout(60):
        while (journey := await operator.journey(lead_id))["status"] != "scheduled":
            await asyncio.sleep(0.1)
    handled = [entry["agent"] for entry in journey["timeline"] if entry["stage"] == "handled"]
    assert handled[-3:] == ["reviewer", "active_outreach", "send_email"]
    assert operator.stack.process("orchestrator").pid == orchestrator


def asked_for_review(lead_id: str, fields: dict[str, str], schema_id: SchemaId) -> Draft:
    record = {
        "lead": {**fields, "lead_id": lead_id, "captured_at": datetime.now(UTC)},
        "note": "Their professor buys for the whole faculty.",
    }
    envelope = Envelope(
        id=MessageId(f"review-of-{lead_id}"),
        source="a person",
        type=RecordType(sixth_agent.RECORD_TYPE),
        time=datetime.now(UTC),
        correlation_id=correlation_id_of(LeadId(lead_id)),
    )
    value = encode(schema_id, parse(sixth_agent.contract()), record)
    return Draft(AGENT_MESSAGES, lead_id.encode(), value, envelope.headers())
