"""Letting the sixth agent (`sixth_agent`) join a running stack, and asking it for a review."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx2

import sixth_agent
from operating import Operator, free_port
from signalbox.avro import encode, parse
from signalbox.protocol.envelope import Envelope, correlation_id_of
from signalbox.protocol.names import AGENT_MESSAGES, LeadId, MessageId, RecordType, SchemaId
from signalbox.protocol.records import Draft


@asynccontextmanager
async def reviewer_running(operator: Operator, folder: Path) -> AsyncIterator[SchemaId]:
    """Register its contract and start it as a person would: one process with the stack's environment.

    Gives the id of the contract that requests for a review are written with.
    """
    schema_id = await _register_contract(operator)
    port, log = free_port(), folder / "reviewer.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, sixth_agent.__file__],
            env={**operator.stack.env, "REVIEWER_PORT": str(port)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(60):
                while not await _is_ready(operator, port):
                    assert process.poll() is None, log.read_text()
                    await asyncio.sleep(0.1)
            yield schema_id
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait, 30)


def asked_for_review(lead_id: str, fields: dict[str, str], schema_id: SchemaId) -> Draft:
    """Make the message that asks for a review of a lead that was posted with ``fields``."""
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


async def _register_contract(operator: Operator) -> SchemaId:
    answer = await operator.http.post(
        f"{operator.stack.addresses['registry']}/subjects/{sixth_agent.RECORD_TYPE}/versions",
        json={"schema": sixth_agent.contract()},
    )
    assert answer.status_code == 200, answer.text
    return SchemaId(answer.json()["id"])


async def _is_ready(operator: Operator, port: int) -> bool:
    try:
        return (await operator.http.get(f"http://127.0.0.1:{port}/readyz")).is_success
    except httpx2.TransportError:
        return False
