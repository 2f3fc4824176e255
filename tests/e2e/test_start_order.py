"""Services may start in any order: the agents long after the orchestrator has leads to route."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest

from local_stack import Stack
from local_stack.services import SERVICES
from operating import Operator

AGENTS = ["send_email", "nurture_campaign", "active_outreach", "lead_scoring", "lead_ingestion"]
NO_CANDIDATE_WAIT_S = 2.0


@pytest.fixture
def stack_without_agents(tmp_path: Path, root: Path) -> Iterator[Stack]:
    with Stack(
        root,
        tmp_path / "run",
        ports="free",
        services=[name for name in SERVICES if name not in AGENTS],
        extra_env={"LLM_MODEL": "offline", "NO_CANDIDATE_WAIT_S": str(NO_CANDIDATE_WAIT_S)},
    ) as stack:
        yield stack


@pytest.fixture
async def operator(stack_without_agents: Stack) -> AsyncIterator[Operator]:
    async with httpx2.AsyncClient(timeout=10) as http:
        yield Operator(stack_without_agents, http)


async def test_leads_wait_for_agents_that_start_later_than_the_wait_for_a_candidate(
    operator: Operator, tmp_path: Path
) -> None:
    lead_ids = await operator.post_many(5)
    # Longer than a type without any candidate waits: an empty directory must not count as one.
    async with asyncio.timeout(NO_CANDIDATE_WAIT_S + 10):
        while (await operator.stats())["in_flight"] < len(lead_ids):
            await asyncio.sleep(0.1)
        await asyncio.sleep(2 * NO_CANDIDATE_WAIT_S)
    assert (await operator.stats())["in_flight"] == len(lead_ids)

    with ExitStack() as running:
        for agent in AGENTS:
            log = running.enter_context((tmp_path / f"{agent}.log").open("w"))
            process = subprocess.Popen(
                [sys.executable, "-m", agent], env=operator.stack.env, stdout=log, stderr=subprocess.STDOUT
            )
            running.callback(process.wait)
            running.callback(process.terminate)
        assert set((await operator.settled(lead_ids, deadline_s=90)).values()) == {"scheduled"}
