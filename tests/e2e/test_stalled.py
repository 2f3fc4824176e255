"""A lead that stands still is shown with what it waits for, and goes on by one command, once."""

import asyncio
import json
import signal
import subprocess
from typing import Any

import psutil

from operating import Operator, lead
from signalbox.kafka import GroupConsumer, Partition
from signalbox.protocol.names import AGENT_ROUTES
from traffic import eventually

AGENT = "lead_scoring"


async def waiting_for(operator: Operator, lead_id: str, agent: str, words: str) -> dict[str, Any]:
    async def found() -> dict[str, Any] | None:
        waits = (await operator.journey(lead_id)).get("waiting_for", [])
        return next((wait for wait in waits if wait["agent"] == agent and words in wait["reason"]), None)

    return await eventually(found, f"{lead_id} waits for {agent}, {words}", 120)


async def resume(operator: Operator, lead_id: str) -> subprocess.CompletedProcess[str]:
    command = [str(operator.stack.root / ".venv" / "bin" / "signalbox"), "leads", "resume", lead_id, "--json"]
    return await asyncio.to_thread(
        subprocess.run, command, env=operator.stack.env, capture_output=True, text=True, check=False
    )


async def pass_over_all_routes(operator: Operator, group: str) -> None:
    """Commit the ends of all partitions as the one member of ``group``, as an operator's slip would."""
    ends: dict[Partition, int] = {}
    for record in await operator.records(AGENT_ROUTES):
        ends[Partition(AGENT_ROUTES, record.partition)] = record.offset + 1
    member = GroupConsumer(operator.kafka, group, [AGENT_ROUTES], group)
    await member.start()
    try:
        ours: set[Partition] = set()
        async with asyncio.timeout(120):
            while not set(ends) <= ours:
                batch = await member.poll(1, 0.1)
                ours = (ours - batch.revoked) | batch.assigned
        await member.commit(ends)
    finally:
        await member.close()


async def gone(operator: Operator, service: str) -> None:
    """Wait until a process that was told to stop has left its groups and ended."""
    process = psutil.Process(operator.stack.process(service).pid)
    async with asyncio.timeout(60):
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            await asyncio.sleep(0.1)


async def test_a_lead_whose_agent_is_away_says_so_and_may_be_resumed_at_any_time(operator: Operator) -> None:
    await asyncio.to_thread(operator.stack.kill, AGENT, signal.SIGKILL)
    lead_id = await operator.post(**lead(31_000))
    wait = await waiting_for(operator, lead_id, AGENT, "away since")
    assert (wait["stage"], wait["record_type"]) == ("dispatch", "sdr.LeadProfiled")
    agents = (await operator.http.get(f"{operator.stack.addresses['console']}/api/agents")).json()["agents"]
    [scoring] = [one for one in agents if one["agent_id"] == AGENT]
    assert scoring["dispatch"]["away_since"]

    for _ in range(2):
        resumed = await resume(operator, lead_id)
        assert resumed.returncode == 0, resumed.stderr
    await asyncio.to_thread(operator.stack.redeploy, AGENT)
    assert await operator.settled([lead_id], 120) == {lead_id: "scheduled"}
    assert [len(ids) for ids in (await operator.terminal_records_of([lead_id])).values()] == [1]
    after_its_end = await resume(operator, lead_id)
    assert (after_its_end.returncode, json.loads(after_its_end.stdout)) == (1, [])


async def test_a_lead_whose_route_was_passed_over_stands_still_until_it_is_resumed(
    operator: Operator,
) -> None:
    await asyncio.to_thread(operator.stack.kill, AGENT, signal.SIGKILL)
    lead_id = await operator.post(**lead(31_001))
    await waiting_for(operator, lead_id, AGENT, "away since")
    await asyncio.to_thread(operator.stack.kill, "orchestrator", signal.SIGTERM)
    try:
        await gone(operator, "orchestrator")
        await pass_over_all_routes(operator, f"dispatch.{AGENT}")
    finally:
        for name in ("orchestrator", AGENT):
            await asyncio.to_thread(operator.stack.redeploy, name)
    another = await operator.post(**lead(31_002))
    assert await operator.settled([another], 120) == {another: "scheduled"}
    assert (await operator.journey(lead_id))["status"] == "in_flight"

    resumed = await resume(operator, lead_id)
    assert resumed.returncode == 0, resumed.stderr
    assert await operator.settled([lead_id], 120) == {lead_id: "scheduled"}
    assert [len(ids) for ids in (await operator.terminal_records_of([lead_id])).values()] == [1]
