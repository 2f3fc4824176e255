"""What every lead store promises, on each database that it can be in; and how relays share one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lead_capture.charges import Charge, Limited
from lead_capture.lead import CapturedLead, read_submission
from lead_capture.relay import Relay
from lead_capture.sql_store import SqlLeadStore
from lead_capture.store import CaptureOutcome, LeadStore, OutboxState
from postgres_server import text_of
from signalbox.process.retry import retry_while_unavailable
from signalbox.protocol.errors import Unavailable
from signalbox.protocol.names import LeadId
from signalbox.telemetry import Readiness

NOW = datetime(2031, 5, 6, 7, 8, 9, 123000, UTC)
SHORT = timedelta(seconds=0.3)
LONG = timedelta(hours=1)

Open = Callable[[timedelta], LeadStore]


def lead(lead_id: str, name: str = "Łukasz 山田") -> CapturedLead:
    fields = {
        "name": name,
        "email": "a@b.example",
        "company_name": "B",
        "job_title": "CTO",
        "lead_source": "x",
        "project_description": "one $set\ntwo .dots",
    }
    return CapturedLead(LeadId(lead_id), read_submission(fields).details(), NOW)


def ids(leads: Sequence[CapturedLead]) -> list[str]:
    return [one.lead_id for one in leads]


@pytest.fixture(params=["sqlite", "postgresql", "mongodb"])
async def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Open the test's own database as one process would; each call is another process."""
    async with AsyncExitStack() as opened:
        if request.param == "sqlite":
            url, make = f"sqlite:///{tmp_path / 'leads.db'}", SqlLeadStore
        elif request.param == "postgresql":
            url, make = text_of(request.getfixturevalue("postgres")), SqlLeadStore
        else:
            from lead_capture.mongo_store import MongoLeadStore

            url, make = request.getfixturevalue("mongodb")(), MongoLeadStore

        def opening(lease: timedelta = LONG) -> LeadStore:
            store: LeadStore = make(url, lease)
            opened.push_async_callback(store.close)
            return store

        yield opening


@pytest.fixture
async def store(open_store: Any) -> LeadStore:
    opened: LeadStore = open_store()
    return opened


async def test_leads_wait_in_the_order_of_capture_until_they_are_marked(store: LeadStore) -> None:
    assert await store.add([lead("b"), lead("a")]) == [CaptureOutcome.STORED, CaptureOutcome.STORED]
    await store.add([lead("c")])
    assert ids(await store.claim(10)) == ["b", "a", "c"]
    assert await store.claim(1) == [lead("b")]
    await store.mark_published([LeadId("b"), LeadId("c")], NOW)
    assert ids(await store.claim(10)) == ["a"]
    assert await store.count_waiting() == 1
    assert await store.state(LeadId("b")) == OutboxState(LeadId("b"), NOW, NOW)
    assert await store.state(LeadId("a")) == OutboxState(LeadId("a"), NOW, None)
    assert await store.state(LeadId("z")) is None


async def test_what_was_published_first_is_what_counts(store: LeadStore) -> None:
    await store.add([lead("a")])
    await store.mark_published([LeadId("a")], NOW)
    await store.mark_published([LeadId("a")], NOW + timedelta(hours=1))
    assert await store.state(LeadId("a")) == OutboxState(LeadId("a"), NOW, NOW)


async def test_the_same_lead_again_is_known_and_another_under_its_id_is_not_stored(store: LeadStore) -> None:
    await store.add([lead("a")])
    outcomes = await store.add([lead("a"), lead("a", "Bob"), lead("b"), lead("b"), lead("b", "Cy")])
    assert outcomes == [
        CaptureOutcome.KNOWN,
        CaptureOutcome.TAKEN,
        CaptureOutcome.STORED,
        CaptureOutcome.KNOWN,
        CaptureOutcome.TAKEN,
    ]
    assert await store.claim(10) == [lead("a"), lead("b")]


async def test_a_published_lead_that_comes_again_is_not_published_again(store: LeadStore) -> None:
    await store.add([lead("a")])
    await store.mark_published([LeadId("a")], NOW)
    assert await store.add([lead("a"), lead("a", "Bob")]) == [CaptureOutcome.KNOWN, CaptureOutcome.TAKEN]
    assert await store.count_waiting() == 0


async def test_leads_survive_a_restart(open_store: Any) -> None:
    first = open_store()
    await first.add([lead("a")])
    await first.close()
    assert await open_store().claim(10) == [lead("a")]


async def test_processes_that_add_the_same_leads_store_each_once(open_store: Any) -> None:
    async def add_all(store: LeadStore) -> list[CaptureOutcome]:
        return [one for number in range(20) for one in await store.add([lead(str(number))])]

    added = await asyncio.gather(*(add_all(open_store()) for _ in range(4)))
    names = sorted(outcome.name for outcomes in added for outcome in outcomes)
    assert names == ["KNOWN"] * 60 + ["STORED"] * 20
    assert await open_store().count_waiting() == 20


async def test_a_lead_is_given_to_one_process_at_a_time(open_store: Any) -> None:
    stores = [open_store() for _ in range(4)]
    await stores[0].add([lead(f"{number:03}") for number in range(100)])

    async def claim_all(store: LeadStore) -> list[str]:
        mine: list[str] = []
        while claimed := await store.claim(7):
            mine += ids(claimed)
            assert len(mine) <= 100, "published leads are given again"
            await store.mark_published([one.lead_id for one in claimed], NOW)
            await asyncio.sleep(0)
        return mine

    shares = await asyncio.gather(*map(claim_all, stores))
    assert sorted(one for share in shares for one in share) == [f"{number:03}" for number in range(100)]
    assert all(share == sorted(share) for share in shares)


async def test_a_process_gets_its_own_leads_again_and_others_get_them_when_the_lease_has_ended(
    open_store: Any, eventually: Callable[..., Awaitable[None]]
) -> None:
    dead, alive = open_store(SHORT), open_store()
    await alive.add([lead("a")])
    assert ids(await dead.claim(10)) == ids(await dead.claim(10)) == ["a"]
    claimed: list[str] = []

    async def is_given() -> bool:
        claimed[:] = ids(await alive.claim(10))
        return claimed == ["a"]

    await eventually(is_given)
    assert await dead.claim(10) == []


async def test_a_process_that_ends_in_order_gives_its_leads_back_at_once(open_store: Any) -> None:
    ending, staying = open_store(), open_store()
    await staying.add([lead("a")])
    await ending.claim(10)
    assert await staying.claim(10) == []
    await ending.close()
    assert ids(await staying.claim(10)) == ["a"]


class Broker:
    """A stand-in for broker and registry at the LeadPublisher port: it keeps what it is given."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    async def prepare(self) -> None:
        pass

    async def publish(self, leads: Sequence[CapturedLead]) -> None:
        await asyncio.sleep(0)
        self.ids += ids(leads)


class Crash(BaseException):
    """Stands for the end of the process: nothing catches it."""


class CrashingAfterPublish(Broker):
    async def publish(self, leads: Sequence[CapturedLead]) -> None:
        await super().publish(leads)
        raise Crash


@asynccontextmanager
async def relaying(*stores: LeadStore, broker: Broker) -> AsyncIterator[list[Relay]]:
    relays = [Relay(store, broker, Readiness(), batch=10, interval_s=0.05) for store in stores]
    tasks = [asyncio.create_task(relay.run()) for relay in relays]
    try:
        yield relays
    finally:
        for relay in relays:
            relay.stop()
        await asyncio.wait(tasks, timeout=5)


async def added(store: LeadStore, leads: list[CapturedLead]) -> None:
    """Add leads as a website does: again, when the store has a bad moment."""
    async with asyncio.timeout(30):
        await retry_while_unavailable(lambda: store.add(leads), Readiness())


async def test_relays_that_share_a_store_publish_each_lead_once(
    open_store: Any, eventually: Callable[..., Awaitable[None]]
) -> None:
    stores = [open_store() for _ in range(3)]
    broker = Broker()
    wanted = [f"{number:03}" for number in range(120)]

    async def all_published() -> bool:
        return await stores[0].count_waiting() == 0 and len(broker.ids) >= len(wanted)

    async with relaying(*stores, broker=broker) as relays:
        for number in range(0, len(wanted), 4):
            await added(stores[number % 3], [lead(one) for one in wanted[number : number + 4]])
            for relay in relays:
                relay.wake()
        await eventually(all_published)
    assert sorted(broker.ids) == wanted


async def test_after_a_crash_between_publish_and_mark_another_process_publishes_the_same_leads_again(
    open_store: Any, eventually: Callable[..., Awaitable[None]]
) -> None:
    dying, staying = open_store(SHORT), open_store()
    await staying.add([lead("a"), lead("b")])
    broker = CrashingAfterPublish()
    # A task that ends in a BaseException would end the test run too, so this one is awaited in place.
    with pytest.raises(Crash):
        await Relay(dying, broker, Readiness()).run()

    async def none_waits() -> bool:
        return await staying.count_waiting() == 0

    after = Broker()
    async with relaying(staying, broker=after):
        await eventually(none_waits)
    assert broker.ids == after.ids == ["a", "b"]


def charges(of: str, limit: int, *, of_poster: bool = False, period: timedelta = LONG) -> list[Charge]:
    return [Charge(f"{of} counter", limit, period, of_poster)]


async def test_a_lead_is_kept_and_counted_together_until_a_counter_is_full(store: LeadStore) -> None:
    counters = charges("poster", 5, of_poster=True) + charges("recipient", 2)
    got = [await store.admit(lead(str(n)), counters) for n in range(4)]
    assert got[:2] == [CaptureOutcome.STORED, CaptureOutcome.STORED]
    for one in got[2:]:
        assert isinstance(one, Limited)
        assert timedelta(0) < one.retry_after <= LONG
    assert ids(await store.claim(10)) == ["0", "1"]
    # The refused posts counted against their poster, but not against another recipient.
    assert await store.admit(lead("4"), charges("poster", 5, of_poster=True)) is CaptureOutcome.STORED
    assert isinstance(await store.admit(lead("5"), charges("poster", 5, of_poster=True)), Limited)
    assert await store.admit(lead("6"), charges("other poster", 5, of_poster=True)) is CaptureOutcome.STORED


async def test_a_refused_post_does_not_count_against_the_recipient(store: LeadStore) -> None:
    await store.admit(lead("a"), charges("p", 1, of_poster=True))
    for number in range(5):
        refused = charges("p", 1, of_poster=True) + charges("r", 3) + charges("d", 3)
        assert isinstance(await store.admit(lead(str(number)), refused), Limited)
    for number in range(3):
        assert (
            await store.admit(lead(f"x{number}"), charges("r", 3) + charges("d", 3)) is CaptureOutcome.STORED
        )


async def test_a_known_lead_is_not_counted_again_and_another_under_its_id_is_taken(store: LeadStore) -> None:
    counters = charges("poster", 2, of_poster=True)
    got = [await store.admit(lead("a"), counters) for _ in range(5)]
    assert got == [CaptureOutcome.STORED] + [CaptureOutcome.KNOWN] * 4
    assert await store.admit(lead("a", "Bob"), counters) is CaptureOutcome.TAKEN
    assert await store.admit(lead("b"), counters) is CaptureOutcome.STORED
    assert isinstance(await store.admit(lead("c"), counters), Limited)
    assert await store.admit(lead("a"), counters) is CaptureOutcome.KNOWN


async def test_replicas_count_together_however_their_posts_meet(open_store: Any) -> None:
    stores = [open_store() for _ in range(3)]

    async def post(number: int) -> object:
        counters = charges("poster", 100, of_poster=True) + charges("recipient", 7)
        while True:
            try:
                return await stores[number % 3].admit(lead(str(number)), counters)
            except Unavailable:
                await asyncio.sleep(0.01)

    got = await asyncio.gather(*map(post, range(30)))
    assert sum(one is CaptureOutcome.STORED for one in got) == 7
    assert await stores[0].count_waiting() == 7


async def test_a_counter_begins_again_when_its_time_has_ended_and_old_ones_are_forgotten(
    store: LeadStore,
) -> None:
    counters = charges("poster", 1, of_poster=True, period=SHORT)
    assert await store.admit(lead("a"), counters) is CaptureOutcome.STORED
    limited = await store.admit(lead("b"), counters)
    assert isinstance(limited, Limited)
    await asyncio.sleep(limited.retry_after.total_seconds() + 0.01)
    assert await store.admit(lead("b"), counters) is CaptureOutcome.STORED
    await store.purge(datetime.now(UTC) + LONG)
    assert await store.admit(lead("c"), counters) is CaptureOutcome.STORED


async def test_counters_outlive_the_process(open_store: Any) -> None:
    first = open_store()
    await first.admit(lead("a"), charges("recipient", 1))
    await first.close()
    assert isinstance(await open_store().admit(lead("b"), charges("recipient", 1)), Limited)


async def test_a_probe_writes_in_the_place_of_the_last_one(store: LeadStore) -> None:
    for size in (10, 300_000, 10):
        await store.probe(size)
    assert await store.count_waiting() == 0
