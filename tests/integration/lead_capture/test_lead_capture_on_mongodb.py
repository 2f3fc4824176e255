"""The service with its leads in MongoDB: the store goes away and comes back, and the process is killed."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from held_messages import HoldingDoor
from local_stack import Stack
from local_stack.services import SERVICES
from mongo_server import MongoServer
from operating import Operator, lead
from signalbox.protocol.names import INCOMING_LEADS

OFFLINE = {"LLM_MODEL": "offline", "ROUTER_LLM_MODEL": "offline", "AGENT_LLM_MODEL": "offline"}
MARKING = b"$unset"
"""Stands in a request of the relay's when it notes that the broker has a lead."""
PASSWORD = "geheim"


@pytest.fixture
def own_mongodb(mongo_process: MongoServer | None) -> MongoServer:
    if mongo_process is None:
        pytest.skip("MONGODB_URL names a server, which is left as it is")
    return mongo_process


def test_while_the_store_is_away_leads_are_refused_for_now_and_none_that_was_taken_is_lost(
    governed: Stack, start: Any, own_mongodb: MongoServer, mongodb: Callable[[], str]
) -> None:
    process = start({**governed.env, "LEAD_STORE_URL": mongodb()})
    process.wait_for("/readyz", 200)
    taken = [process.client.post("/leads", json=lead(n)).json()["lead_id"] for n in range(5)]
    own_mongodb.stop()
    try:
        refused = process.client.post("/leads", json=lead(6), headers={"Idempotency-Key": "six"})
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert refused.headers["content-type"] == "application/problem+json"
        assert "lead store" in process.wait_for("/readyz", 503).json()["waiting_for"][0]
        assert process.client.get("/healthz").status_code == 200
    finally:
        own_mongodb.start()
    again = process.client.post("/leads", json=lead(6), headers={"Idempotency-Key": "six"})
    assert again.status_code == 202
    process.wait_for("/readyz", 200, seconds=60)
    for lead_id in (*taken, again.json()["lead_id"]):
        wait_until_published(process.client, lead_id)


def test_a_store_that_is_away_from_the_start_is_waited_for_and_its_password_is_not_in_the_logs(
    governed: Stack, start: Any, nowhere: dict[str, str], tmp_path: Path
) -> None:
    away = nowhere["KAFKA_BOOTSTRAP_SERVERS"]
    url = f"mongodb://leads:{PASSWORD}@{away}/crm?timeoutMS=500"
    process = start({**governed.env, "LEAD_STORE_URL": url, "LOG_LEVEL": "DEBUG"})
    ready = process.wait_for("/readyz", 503, seconds=60)
    deadline = time.monotonic() + 60
    while "MongoDB does not answer" not in ready.text:
        assert time.monotonic() < deadline, ready.text
        ready = process.client.get("/readyz")
    refused = process.client.post("/leads", json=lead(1))
    assert refused.status_code == 503
    assert process.end() in (0, -15)
    log = (tmp_path / "lead_capture.log").read_text()
    assert "leads_wait" in log
    assert PASSWORD not in log + ready.text + refused.text


def wait_until_published(client: httpx2.Client, lead_id: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not client.get(f"/leads/{lead_id}").json()["published_at"]:
        assert time.monotonic() < deadline, f"{lead_id} was not published in time"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def door(mongo_process: MongoServer | None) -> Iterator[HoldingDoor]:
    if mongo_process is None:
        pytest.skip("MONGODB_URL names a server that may need TLS: no message can be held back on the way")
    opened = HoldingDoor(mongo_process.port, MARKING)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def stack_on_mongodb(
    root: Path, tmp_path_factory: pytest.TempPathFactory, door: HoldingDoor
) -> Iterator[Stack]:
    """The whole stack; lead capture's way to MongoDB leads through ``door``."""
    settings = {
        **OFFLINE,
        "LEAD_STORE_URL": f"mongodb://127.0.0.1:{door.port}/stack?timeoutMS=20000",
        "LEAD_LEASE_S": "2",
    }
    folder = tmp_path_factory.mktemp("stack_on_mongodb")
    with Stack(root, folder, ports="free", extra_env=settings, services=SERVICES) as running:
        yield running


@pytest.fixture
async def operator(stack_on_mongodb: Stack) -> AsyncIterator[Operator]:
    async with httpx2.AsyncClient(timeout=30) as http:
        yield Operator(stack_on_mongodb, http)


async def test_a_kill_between_publish_and_mark_makes_a_duplicate_that_intake_counts_and_nothing_else(
    operator: Operator, door: HoldingDoor, mongo_process: MongoServer
) -> None:
    lead_ids = await operator.post_many(3)
    assert await asyncio.to_thread(door.held.wait, 60), "the relay did not get to the point of marking"
    operator.stack.kill("lead_capture")
    direct = {"LEAD_STORE_URL": mongo_process.url("stack")}
    await asyncio.to_thread(operator.stack.redeploy, "lead_capture", direct)
    lead_ids += await operator.post_many(3, first=3)

    assert set((await operator.settled(lead_ids, deadline_s=120)).values()) == {"scheduled"}
    async with asyncio.timeout(60):
        while not await all_published(operator, lead_ids):
            await asyncio.sleep(0.1)
    copies = [(record.key, record.header("ce_id")) for record in await operator.records(INCOMING_LEADS)]
    repeated = len(copies) - len(lead_ids)
    assert repeated >= 1, "nothing was published before the kill"
    assert len(set(copies)) == len(lead_ids), "a lead has two message ids"
    assert (await operator.stats())["captured"] == len(lead_ids)
    assert await duplicates_at_intake(operator) == repeated
    assert {len(found) for found in (await operator.terminal_records_of(lead_ids)).values()} == {1}


async def all_published(operator: Operator, lead_ids: list[str]) -> bool:
    address = operator.stack.addresses["lead_capture"]
    answers = [await operator.http.get(f"{address}/leads/{lead_id}") for lead_id in lead_ids]
    return all(answer.json()["published_at"] for answer in answers)


async def duplicates_at_intake(operator: Operator) -> int:
    metrics = await operator.http.get(f"{operator.stack.addresses['orchestrator']}/metrics")
    name = "signalbox_intake_duplicates_total "
    (line,) = [line for line in metrics.text.splitlines() if line.startswith(name)]
    return int(float(line.removeprefix(name)))
