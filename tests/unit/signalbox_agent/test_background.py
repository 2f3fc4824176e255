"""What an agent does beside its messages lives as long as its service."""

import asyncio
from typing import Any

import pytest


class Beside:
    """Work that runs until it is stopped, or breaks off."""

    def __init__(self, bench: Any) -> None:
        self._bench = bench
        self._stopping = asyncio.Event()
        self.running = asyncio.Event()
        self.failure: Exception | None = None
        self.finished_before_closing = False

    async def run(self) -> None:
        self.running.set()
        if self.failure is not None:
            raise self.failure
        await self._stopping.wait()
        self.finished_before_closing = not self._bench.publisher.closed

    def stop(self) -> None:
        self._stopping.set()


@pytest.fixture
def beside(bench: Any) -> Beside:
    bench.background = Beside(bench)
    made: Beside = bench.background
    return made


async def test_it_starts_with_the_service_and_ends_before_its_parts_are_closed(
    bench: Any, beside: Beside
) -> None:
    bench.registry.available = False
    async with bench.running(ready=False):
        await asyncio.wait_for(beside.running.wait(), 10)
    assert beside.finished_before_closing
    assert bench.publisher.closed
    assert bench.stops == 0


async def test_the_process_stops_when_it_breaks_off(bench: Any, beside: Beside) -> None:
    beside.failure = RuntimeError("a fault in the code")
    async with bench.running(ready=False):

        async def stopped() -> bool:
            return bool(bench.stops)

        await bench.until(stopped)


async def test_it_says_in_readyz_that_it_is_impaired_while_messages_are_taken(bench: Any) -> None:
    bench.report_to = lambda readiness: readiness.degraded("sending", "the quota is used up")
    bench.contracts()
    async with bench.running():
        answer = await bench.client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["impaired"] == ["sending: the quota is used up"]
