import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lead_capture.lead import CapturedLead, read_submission
from lead_capture.relay import LeadPublisher, Relay
from lead_capture.settings import LeadCaptureSettings
from lead_capture.sql_store import SqlLeadStore
from signalbox.protocol.errors import Unavailable, Unwritable
from signalbox.protocol.names import LeadId
from signalbox.telemetry import Readiness


async def none_waits(store: SqlLeadStore) -> bool:
    return await store.count_waiting() == 0


def lead(lead_id: str) -> CapturedLead:
    fields = {
        "name": "Ada",
        "email": "a@b.example",
        "company_name": "B",
        "job_title": "C",
        "lead_source": "x",
    }
    return CapturedLead(LeadId(lead_id), read_submission(fields).details(), datetime.now(UTC))


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(relay.run())
    try:
        yield task
    finally:
        relay.stop()
        await asyncio.wait({task}, timeout=5)
        task.cancel()


class Crash(BaseException):
    """Stands for the end of the process: nothing catches it."""


class CrashingAfterPublish:
    """A fake at the LeadPublisher port: the broker has the leads, and then this process dies."""

    def __init__(self, broker: Any) -> None:
        self._broker = broker

    async def prepare(self) -> None:
        await self._broker.prepare()

    async def publish(self, leads: Sequence[CapturedLead]) -> None:
        await self._broker.publish(leads)
        raise Crash


async def test_a_crash_between_publish_and_mark_publishes_the_same_leads_again(
    settings: LeadCaptureSettings, publisher: Any, eventually: Any
) -> None:
    before = SqlLeadStore(settings.store_url(), timedelta(seconds=0.1))
    await before.add([lead("a"), lead("b")])
    # A task that ends in a BaseException would end the test run too, so this one is awaited in place.
    with pytest.raises(Crash):
        await Relay(before, CrashingAfterPublish(publisher), Readiness()).run()

    after = SqlLeadStore(settings.store_url())
    async with running(Relay(after, publisher, Readiness(), interval_s=0.05)):
        await eventually(lambda: none_waits(after))
    assert publisher.ids == ["a", "b", "a", "b"]
    assert publisher.published[:2] == publisher.published[2:]
    await after.close()


class Choosy:
    """A fake at the LeadPublisher port: a broker that will never take some of the leads."""

    def __init__(self, broker: Any, *never: str) -> None:
        self._broker, self._never = broker, never

    async def prepare(self) -> None:
        await self._broker.prepare()

    async def publish(self, leads: Sequence[CapturedLead]) -> None:
        if any(lead.lead_id in self._never for lead in leads):
            raise Unwritable("incoming_leads", "MSG_SIZE_TOO_LARGE")
        await self._broker.publish(leads)


async def test_a_lead_that_can_never_be_published_stays_in_the_store_and_holds_back_no_other(
    store: SqlLeadStore, publisher: Any, eventually: Any
) -> None:
    readiness = Readiness("outbox")
    await store.add([lead("never"), lead("a"), lead("never-2"), lead("b")])
    relay = Relay(store, Choosy(publisher, "never", "never-2"), readiness, batch=2, interval_s=0.02)
    async with running(relay):
        await eventually(lambda: publisher.ids == ["a", "b"])
        await store.add([lead("c")])
        await eventually(lambda: publisher.ids == ["a", "b", "c"])
        await eventually(lambda: readiness.ready)
    assert await store.count_waiting() == 2
    [told] = readiness.impaired
    assert "2 leads can't be published" in told


async def test_a_topic_that_is_not_there_is_waited_for(
    store: SqlLeadStore, publisher: Any, eventually: Any
) -> None:
    class NoTopic(Choosy):
        async def publish(self, leads: Sequence[CapturedLead]) -> None:
            raise Unwritable("incoming_leads", "UNKNOWN_TOPIC_OR_PART", misplaced=True)

    readiness = Readiness("outbox")
    await store.add([lead("a")])
    async with running(Relay(store, NoTopic(publisher), readiness, interval_s=0.02)):
        await eventually(lambda: any("UNKNOWN_TOPIC" in why for why in readiness.waiting_for))
    assert await store.count_waiting() == 1


async def test_a_new_lead_is_published_without_waiting_for_the_interval(
    store: SqlLeadStore, publisher: Any, eventually: Any
) -> None:
    readiness = Readiness("outbox")
    relay = Relay(store, publisher, readiness, interval_s=3600)
    async with running(relay):
        await eventually(lambda: readiness.ready)
        await store.add([lead("a")])
        relay.wake()
        await eventually(lambda: publisher.ids == ["a"])


async def test_a_lead_that_another_process_stored_is_found_at_the_interval(
    store: SqlLeadStore, publisher: Any, eventually: Any
) -> None:
    async with running(Relay(store, publisher, Readiness(), interval_s=0.02)):
        await store.add([lead("a")])
        await eventually(lambda: publisher.ids == ["a"])


async def test_leads_wait_in_order_while_the_broker_is_away(
    store: SqlLeadStore, publisher: Any, eventually: Any
) -> None:
    publisher.away = "broker"
    readiness = Readiness("outbox")
    relay = Relay(store, publisher, readiness, batch=2, longest_pause_s=0.05)
    async with running(relay):
        for number in range(5):
            await store.add([lead(str(number))])
            relay.wake()
        await eventually(lambda: "broker is unavailable" in " ".join(readiness.waiting_for))
        assert publisher.ids == []
        publisher.away = None
        await eventually(lambda: none_waits(store))
        await eventually(lambda: readiness.ready)
    assert publisher.ids == ["0", "1", "2", "3", "4"]


async def test_new_leads_do_not_cut_the_pause_short(
    store: SqlLeadStore, publisher: Any, eventually: Any
) -> None:
    publisher.away = "broker"
    relay = Relay(store, publisher, Readiness(), longest_pause_s=3600)
    async with running(relay):
        await eventually(lambda: publisher.attempts == 1)
        for _ in range(20):
            relay.wake()
            await asyncio.sleep(0)
        assert publisher.attempts == 1


class FailingOnce:
    """A fake at the LeadPublisher port with a bug that shows once."""

    def __init__(self, behind: LeadPublisher) -> None:
        self._behind = behind
        self.failures = 1

    async def prepare(self) -> None:
        await self._behind.prepare()

    async def publish(self, leads: Sequence[CapturedLead]) -> None:
        if self.failures:
            self.failures -= 1
            raise ZeroDivisionError
        await self._behind.publish(leads)


async def test_an_unexpected_failure_does_not_end_publishing(
    store: SqlLeadStore, publisher: Any, eventually: Any
) -> None:
    await store.add([lead("a")])
    async with running(Relay(store, FailingOnce(publisher), Readiness(), longest_pause_s=0.02)):
        await eventually(lambda: none_waits(store))
    assert publisher.ids == ["a"]


async def test_a_broker_that_does_not_answer_is_seen_before_the_client_gives_up(
    store: SqlLeadStore, silent: Any, eventually: Any
) -> None:
    readiness = Readiness("outbox")
    await store.add([lead("a")])
    async with running(Relay(store, silent, readiness)):
        await eventually(lambda: readiness.waiting_for == ["outbox: broker: no answer yet"])
        silent.answer.set()
        await eventually(lambda: readiness.ready)
    assert silent.ids == ["a"]


async def test_stopping_lets_the_batch_on_its_way_end_and_leaves_the_rest(
    store: SqlLeadStore, silent: Any, eventually: Any
) -> None:
    await store.add([lead("a"), lead("b")])
    relay = Relay(store, silent, Readiness(), batch=1)
    async with running(relay) as task:
        await eventually(lambda: silent.attempts > 0)
        relay.stop()
        silent.answer.set()
        await asyncio.wait({task}, timeout=5)
        assert task.done()
    assert silent.ids in (["a"], [])
    assert await store.count_waiting() == 2 - len(silent.ids)


async def test_a_store_that_is_away_is_waited_for(
    publisher: Any, store: SqlLeadStore, settings: LeadCaptureSettings, eventually: Any
) -> None:
    class Away(SqlLeadStore):
        """The real store behind a fake outage."""

        away = True

        async def claim(self, limit: int) -> list[CapturedLead]:
            if self.away:
                raise Unavailable("lead store", "disk full")
            return await super().claim(limit)

    behind = Away(settings.store_url())
    await store.add([lead("a")])
    readiness = Readiness("outbox")
    async with running(Relay(behind, publisher, readiness, longest_pause_s=0.02)):
        await eventually(lambda: "disk full" in " ".join(readiness.waiting_for))
        behind.away = False
        await eventually(lambda: publisher.ids == ["a"])
    await behind.close()
