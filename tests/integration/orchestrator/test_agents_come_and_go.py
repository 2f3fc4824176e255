"""Agents that come and go leave no threads, no clients and no metrics, on a real broker."""

import asyncio
import gc
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from local_stack import Stack
from orchestrator.bootstrap import Orchestrator, bootstrap
from orchestrator.settings import OrchestratorSettings
from signalbox.control.models import AgentInput, AgentOutput, AgentRegistered
from signalbox.protocol.names import AgentId
from signalbox.protocol.records import Record

AGENTS = int(os.environ.get("COMING_AND_GOING", "8"))
ENDPOINT = "http://127.0.0.1:9"


@pytest.fixture
async def orchestrator(
    governed: Stack, tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Orchestrator]:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", governed.addresses["broker"])
    monkeypatch.setenv("SCHEMA_REGISTRY_URL", governed.addresses["registry"])
    monkeypatch.setenv("CATALOG", str(root / "contracts" / "catalog.yaml"))
    monkeypatch.setenv("LLM_MODEL", "offline")
    monkeypatch.setenv("AGENT_KEYS_DIR", str(tmp_path / "keys"))
    settings = OrchestratorSettings(data_dir=tmp_path, agent_limit=AGENTS + 20)
    async with AsyncExitStack() as closing:
        made = bootstrap(settings, closing)
        await made.control.load()
        made.directory.read_to_its_end.set()
        made.dispatchers._quiet_s = 0.5
        yield made
        for stage in (made.intake, made.routing):  # they were not run
            await stage.assignment.leave()


def tasks() -> int:
    gc.collect()
    return len(list(Path("/proc/self/task").iterdir()))


def resident_mb() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) // 1024


async def announce(parts: Orchestrator, agent: str) -> None:
    said = AgentRegistered(
        agent_id=agent,
        name=agent,
        description="Comes and goes.",
        input=[AgentInput(record_type="demo.Asked", when="this.score > 1")],
        output=[AgentOutput(record_type="demo.Answered", terminal=False)],
        endpoint=ENDPOINT,
        contracts=[],
        registered_at=datetime.now(UTC),
    )
    await parts.directory.apply(Record("agent_registry", 0, 0, agent.encode(), parts.control.write(said)))


async def test_agents_that_come_and_go_leave_nothing_behind(orchestrator: Orchestrator) -> None:
    directory, dispatchers, stopping = (
        orchestrator.directory,
        orchestrator.dispatchers,
        asyncio.Event(),
    )
    agents = [AgentId(f"agent-{number}") for number in range(AGENTS)]
    await asyncio.to_thread(str)  # the loop's own threads are there
    before = tasks(), resident_mb()
    running = asyncio.create_task(dispatchers.run(stopping))
    try:
        for agent in agents:
            await announce(orchestrator, agent)
        announced = tasks()
        assert announced <= before[0] + 2  # one that was never reached costs nothing

        for agent in agents:
            directory.reached(agent, ENDPOINT)
        async with asyncio.timeout(240):
            while not all(dispatchers._running[agent].has_been_idle(0) for agent in dispatchers.running) or (
                len(dispatchers.running) < AGENTS
            ):
                await asyncio.sleep(0.1)
        most = tasks(), resident_mb()
        for agent in agents:
            await directory.apply(Record("agent_registry", 0, 0, agent.encode(), None))
        async with asyncio.timeout(240):
            while dispatchers.running or tasks() > before[0] + 4:
                await asyncio.sleep(0.2)
    finally:
        stopping.set()
        await running
    print(f"threads and MB: {before} before, {most} at work, {(tasks(), resident_mb())} after")
    assert most[0] > before[0] + 4 * AGENTS
    metrics = generate_latest().decode()
    assert not [line for line in metrics.splitlines() if "agent-" in line]
    assert not [part for part in orchestrator.readiness.impaired if "agent-" in part]
    assert not [part for part in orchestrator.readiness.waiting_for if "agent-" in part]
