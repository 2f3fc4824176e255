"""On a cluster of three brokers and two orchestrators any process may go, and all of them one by one.

``RESILIENCE_LEADS=200`` makes it the long form.
"""

import asyncio
import math
import os
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path

import httpx2
import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, ConsumerGroupDescription

from conservation import assert_each_is_scheduled_once
from local_stack import Stack, processes
from local_stack.instances import kind_of
from local_stack.services import ORCHESTRATOR
from operating import Operator, lead
from signalbox.protocol.names import AGENT_MESSAGES
from traffic import eventually

pytestmark = pytest.mark.real_kafka

LEADS = int(os.environ.get("RESILIENCE_LEADS", "40"))
END_S = 20
"""Within so many seconds of SIGTERM every process has to have ended."""
SESSION_S = 30
"""So long the broker would wait for a member that went without leaving its group …"""
LEFT_S = 10
"""… and so soon it has to be gone."""


@pytest.fixture(scope="module")
def cluster(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(
        root,
        tmp_path_factory.mktemp("cluster"),
        ports="free",
        instances={"broker": 3, "orchestrator": 2},
        extra_env={"LLM_MODEL": "offline", "KAFKA_SESSION_TIMEOUT_MS": str(SESSION_S * 1000)},
    ) as stack:
        yield stack


@pytest.fixture
async def operator(cluster: Stack) -> AsyncIterator[Operator]:
    async with httpx2.AsyncClient(timeout=10) as http:
        yield Operator(cluster, http)


@pytest.fixture
def admin(operator: Operator) -> AdminClient:
    return AdminClient(operator.kafka.client("rolling-restart"))


async def test_a_rolling_restart_of_everything_loses_no_lead_and_schedules_none_twice(
    operator: Operator, admin: AdminClient
) -> None:
    names = list(operator.stack.addresses)
    assert {"broker_3", "orchestrator_2"} <= set(names)
    share = math.ceil(LEADS / len(names))
    lead_ids = []
    for turn, name in enumerate(names):
        _, posted = await asyncio.gather(restarted(operator.stack, admin, name), post(operator, share, turn))
        lead_ids.extend(posted)
    assert len(lead_ids) >= LEADS
    await assert_each_is_scheduled_once(operator, lead_ids)


async def test_every_topic_is_kept_by_three_brokers_and_written_to_two_at_least(admin: AdminClient) -> None:
    topics = await asyncio.to_thread(lambda: admin.list_topics(timeout=LEFT_S).topics)
    assert AGENT_MESSAGES in topics
    kept = {len(one.replicas) for topic in topics.values() for one in topic.partitions.values()}
    assert kept == {3}
    resource = ConfigResource(ConfigResource.Type.TOPIC, AGENT_MESSAGES)
    config = await asyncio.to_thread(admin.describe_configs([resource])[resource].result, LEFT_S)
    assert config["min.insync.replicas"].value == "2"


@pytest.mark.parametrize("name", ["broker", "orchestrator"])
async def test_one_of_several_may_be_dead_while_leads_flow(operator: Operator, name: str) -> None:
    lead_ids = await post(operator, 10, 100)
    await asyncio.to_thread(operator.stack.kill, name)
    lead_ids += await post(operator, 10, 150)
    await assert_each_is_scheduled_once(operator, lead_ids)
    await asyncio.to_thread(operator.stack.redeploy, name)


async def test_without_a_majority_of_brokers_leads_wait_and_none_is_lost(operator: Operator) -> None:
    away = ("broker_2", "broker_3")
    lead_ids = await post(operator, 10, 170)
    for name in away:
        await asyncio.to_thread(operator.stack.kill, name)
    lead_ids += await post(operator, 10, 180)
    for name in away:
        await asyncio.to_thread(operator.stack.redeploy, name)
    await assert_each_is_scheduled_once(operator, lead_ids)


async def test_a_replica_that_is_added_shares_the_work_and_one_that_is_removed_leaves_it(
    operator: Operator, admin: AdminClient
) -> None:
    await asyncio.to_thread(operator.stack.start_instance, "orchestrator_3")
    await members_are(admin, 3)
    lead_ids, _ = await asyncio.gather(
        post(operator, 10, 200), asyncio.to_thread(operator.stack.stop_instance, "orchestrator_3")
    )
    await members_are(admin, 2)
    assert "orchestrator_3" not in operator.stack.addresses
    await assert_each_is_scheduled_once(operator, lead_ids)


async def restarted(stack: Stack, admin: AdminClient, name: str) -> None:
    """Tell a process to end, see that it does so in order, and start it again."""
    process = stack.process(name)
    await asyncio.to_thread(stack.kill, name, signal.SIGTERM)
    async with asyncio.timeout(END_S):
        while processes.find(process.pid, process.create_time) is not None:
            await asyncio.sleep(0.1)
    if kind_of(name) == ORCHESTRATOR:
        await members_are(admin, 1)
    await asyncio.to_thread(stack.redeploy, name)
    if kind_of(name) == ORCHESTRATOR:
        await members_are(admin, 2)


async def post(operator: Operator, count: int, turn: int) -> list[str]:
    first = 30_000 + 100 * turn
    return [await operator.post_until_accepted(**lead(first + number)) for number in range(count)]


async def members_are(admin: AdminClient, wanted: int) -> None:
    """Wait until each of the groups has so many members; a lost one would stay for its session."""

    async def reached() -> bool:
        return set((await asyncio.to_thread(members, admin)).values()) == {wanted}

    await eventually(reached, f"{wanted} members in each of {members(admin)}", LEFT_S)


def members(admin: AdminClient) -> dict[str, int]:
    groups = [group.group_id for group in admin.list_consumer_groups().result(LEFT_S).valid]
    ours = [group for group in groups if group.startswith(("orchestrator.", "dispatch."))]
    described: Mapping[str, Future[ConsumerGroupDescription]] = admin.describe_consumer_groups(ours)
    return {group: len(future.result(LEFT_S).members) for group, future in described.items()}
