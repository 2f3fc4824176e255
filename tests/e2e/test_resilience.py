"""Killing and redeploying any one process while leads flow loses none, and schedules none twice."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import pytest

from conservation import assert_each_is_scheduled_once
from local_stack.services import SERVICES
from operating import Operator, lead

NAMES = list(SERVICES)
# Where the broker keeps topics in memory, its restart loses every lead, and says so.
RESTARTABLE = [
    pytest.param(name, marks=pytest.mark.real_kafka) if name == "broker" else name for name in NAMES
]
LEADS = int(os.environ.get("RESILIENCE_LEADS", "24"))
"""Leads per case; RESILIENCE_LEADS=200 makes it the long form."""


async def flowing(operator: Operator, first: int, disturb: Callable[[], Awaitable[None]]) -> list[str]:
    """Post leads, disturb the stack in their midst, post more as the form comes back."""
    lead_ids = await operator.post_many(LEADS // 2, first=first)
    disturbing = asyncio.create_task(disturb())
    for number in range(LEADS // 2, LEADS):
        lead_ids.append(await operator.post_until_accepted(**lead(first + number)))
    await disturbing
    return lead_ids


@pytest.mark.parametrize("service", RESTARTABLE)
async def test_redeploying_a_service_while_leads_flow_loses_none(operator: Operator, service: str) -> None:
    async def redeploy() -> None:
        await asyncio.to_thread(operator.stack.redeploy, service)

    first = 10_000 + 100 * NAMES.index(service)
    await assert_each_is_scheduled_once(operator, await flowing(operator, first, redeploy))


@pytest.mark.parametrize("service", RESTARTABLE)
async def test_a_killed_service_that_is_redeployed_loses_no_lead_and_schedules_none_twice(
    operator: Operator, service: str
) -> None:
    async def kill_and_redeploy() -> None:
        await asyncio.to_thread(operator.stack.kill, service, signal.SIGKILL)
        await asyncio.to_thread(operator.stack.redeploy, service)

    first = 20_000 + 100 * NAMES.index(service)
    await assert_each_is_scheduled_once(operator, await flowing(operator, first, kill_and_redeploy))
