"""A process sends its model no more at once, and no more in a minute, than its operator allows."""

import asyncio
import time

import pytest

from signalbox.models.limits import RequestLimits


async def test_no_more_requests_than_allowed_are_under_way() -> None:
    limits, inside, most = RequestLimits(2, None, None), 0, 0

    async def ask() -> None:
        nonlocal inside, most
        async with limits.room_for("", 0):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.001)
            inside -= 1

    await asyncio.gather(*(ask() for _ in range(10)))
    assert most == 2


@pytest.mark.parametrize(
    ("limits", "asked", "answer"),
    [
        (RequestLimits(None, 600, None), "", 0),
        (RequestLimits(None, None, 6_000), "x" * 360, 10),  # a hundred tokens each
    ],
    ids=["requests", "tokens"],
)
async def test_what_is_beyond_a_minutes_share_waits(limits: RequestLimits, asked: str, answer: int) -> None:
    bucket = limits._requests or limits._tokens
    assert bucket is not None
    count = round(bucket.max_rate / (1 if limits._requests else 100))
    async with asyncio.timeout(5):
        for _ in range(count):  # a whole minute's share may go at once
            async with limits.room_for(asked, answer):
                pass
    began = time.monotonic()
    async with limits.room_for(asked, answer):
        assert time.monotonic() - began > 0.05


async def test_one_request_that_is_over_a_minutes_share_goes_all_the_same() -> None:
    async with asyncio.timeout(5), RequestLimits(None, None, 100).room_for("x" * 10_000, 4_000):
        pass


async def test_without_limits_nothing_waits() -> None:
    limits = RequestLimits(None, None, None)
    async with asyncio.timeout(5), limits.room_for("", 0), limits.room_for("", 0):
        pass
