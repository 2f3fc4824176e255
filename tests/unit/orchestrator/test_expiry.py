"""People hear of records that wait so long that their topic may delete them."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from given_clock import GivenClock
from orchestrator.consume.expiry import Expiry
from orchestrator.consume.offset_ledger import Ledger
from signalbox.protocol.records import Record
from signalbox.telemetry import Readiness

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
KEPT = timedelta(hours=72)


async def waiting(*ages: timedelta | None, kept: timedelta | None = KEPT) -> list[str]:
    """Say what people hear of records that were written so long ago; None: they don't say when."""
    ledger, readiness = Ledger(), Readiness()
    never: asyncio.Future[list[object]] = asyncio.get_running_loop().create_future()
    kept_ms = None if kept is None else round(kept.total_seconds() * 1000)
    expiry = Expiry("routing", ledger, readiness, {"agent_messages": kept_ms}.get, GivenClock(NOW))
    for offset, age in enumerate(ages):
        written_ms = 0 if age is None else round((NOW - age).timestamp() * 1000)
        ledger.expect(Record("agent_messages", offset, offset, b"k", b"v", timestamp_ms=written_ms), never)  # type: ignore[arg-type]
    expiry.look()
    told = readiness.impaired
    ledger.drop(list(ledger._lines))
    expiry.look()
    assert readiness.impaired == []
    return told


async def test_the_oldest_is_told_from_half_of_its_topics_time_on() -> None:
    assert await waiting(timedelta(hours=35), None) == []
    assert await waiting(timedelta(hours=1), timedelta(hours=36)) == [
        "routing retention: agent_messages/1/1 waits since 2026-05-03T00:00:00.000Z,"
        " and the topic deletes it from 2026-05-06T00:00:00.000Z on"
    ]


@pytest.mark.parametrize("ages", [(), (None,)])
async def test_without_a_record_that_says_when_there_is_nothing_to_tell(
    ages: tuple[timedelta | None, ...],
) -> None:
    assert await waiting(*ages) == []


async def test_a_topic_that_keeps_all_needs_no_alarm() -> None:
    assert await waiting(timedelta(days=900), kept=None) == []


async def test_a_time_that_no_calendar_has_is_no_fault() -> None:
    assert await waiting(-timedelta(days=365 * 5000)) == []
    record = Record("agent_messages", 0, 0, b"k", b"v", timestamp_ms=2**63 - 1)
    assert record.time is not None
    assert record.time.year == 9000
