"""A message that kills its agent is found out; one that was only there, or whose agent stays away, is not."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx2

import mortal_agent
from operating import free_port
from orchestrator.dispatch.agent_client import AgentClient, Done, Failed
from orchestrator.dispatch.availability import AgentAvailability
from orchestrator.dispatch.delivery import AgentDelivery, Poisoned
from signalbox.protocol.envelope import Envelope
from signalbox.protocol.names import AgentId, CorrelationId, MessageId, RecordType
from signalbox.protocol.records import Record
from signalbox.telemetry import Readiness
from signing import signer

AGENT = AgentId("mortal")
ENVELOPE = Envelope(MessageId("m"), "test", RecordType("a.B"), datetime.now(UTC), CorrelationId("c"))
HARMLESS = Record("agent_messages", 0, 0, b"lead-1", b"harmless", ENVELOPE.headers())
DEADLY = replace(HARMLESS, offset=1, value=b"deadly")


@dataclass
class Supervised:
    """The agent's process, started again whenever it dies, as in production."""

    port: int
    restarts: int = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        keeping = asyncio.create_task(self._keep())
        try:
            yield
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)

    async def _keep(self) -> None:
        command = [sys.executable, mortal_agent.__file__, str(self.port)]
        while True:
            process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL)
            try:
                await process.wait()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            self.restarts += 1


@asynccontextmanager
async def calling(port: int, folder: Path, **options: int) -> AsyncIterator[AgentDelivery]:
    async with httpx2.AsyncClient(timeout=10) as http:
        posting = AgentClient(AGENT, http, signer(), deadline_s=30)
        yield AgentDelivery(
            posting, AgentAvailability(AGENT, Readiness()), **{"attempts": 8, **options}, longest_pause_s=0.1
        )


async def test_a_message_that_kills_its_agent_is_found_and_those_beside_it_are_delivered(
    tmp_path: Path,
) -> None:
    agent = Supervised(free_port())
    endpoint = f"http://127.0.0.1:{agent.port}"
    async with agent.running(), calling(agent.port, tmp_path, deaths=3) as caller, asyncio.timeout(120):
        records = [HARMLESS, DEADLY, *[replace(HARMLESS, offset=offset) for offset in range(2, 12)]]
        outcomes = await asyncio.gather(*[caller.deliver(record, lambda: endpoint) for record in records])
        assert await caller.deliver(HARMLESS, lambda: endpoint) == Done()
    assert isinstance(outcomes[1], Poisoned)
    assert [outcome for outcome in outcomes if outcome != Done()] == [outcomes[1]]
    assert agent.restarts == 2 + 3


async def test_an_agent_that_does_not_come_back_leaves_nothing_to_blame(tmp_path: Path) -> None:
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    process = await asyncio.create_subprocess_exec(sys.executable, mortal_agent.__file__, str(port))
    try:
        async with calling(port, tmp_path, deaths=1) as caller:
            async with asyncio.timeout(60):
                assert await caller.deliver(HARMLESS, lambda: endpoint) == Done()
            delivery = asyncio.create_task(caller.deliver(DEADLY, lambda: endpoint))
            async with asyncio.timeout(60):
                await process.wait()
                while caller._availability.told()["circuit"] != "open":
                    await asyncio.sleep(0.01)
            assert not delivery.done()
            delivery.cancel()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_connection_that_breaks_while_the_agent_lives_is_an_attempt_that_failed(
    tmp_path: Path,
) -> None:
    async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if request.startswith(b"GET"):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(hangs_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, calling(port, tmp_path, attempts=4, deaths=2) as caller, asyncio.timeout(60):
        outcome = await caller.deliver(DEADLY, lambda: f"http://127.0.0.1:{port}")
    assert isinstance(outcome, Failed)
    assert outcome.detail.startswith("4 attempts")
