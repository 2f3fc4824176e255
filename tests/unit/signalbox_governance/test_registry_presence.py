"""A registry that is away is told, with since when; what is in force stays, and the process is ready."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import REGISTRY

from signalbox.gate import Contracts
from signalbox.protocol.errors import Unavailable
from signalbox.protocol.names import RecordType, Subject
from signalbox.registry.port import SchemaVersion
from signalbox.registry.presence import RegistryPresence
from signalbox.telemetry import Readiness
from signalbox_agent.testing import MemoryRegistry

NOON = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)
TOLD = "registry: away since 2026-01-02T12:00:00.000Z: it was switched off; the contracts in force stay"


class Watch:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def readiness() -> Readiness:
    return Readiness()


@pytest.fixture
def presence(readiness: Readiness, watch: Watch) -> RegistryPresence:
    return RegistryPresence(readiness.degraded, watch)


def away_since() -> float | None:
    return REGISTRY.get_sample_value("signalbox_registry_away_since_seconds")


async def until(told: list[str], readiness: Readiness) -> None:
    async with asyncio.timeout(10):
        while readiness.impaired != told:
            await asyncio.sleep(0.001)


@asynccontextmanager
async def following(contracts: Contracts, presence: RegistryPresence) -> AsyncIterator[None]:
    task = asyncio.create_task(contracts.follow(presence))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def test_a_registry_that_is_away_is_told_in_each_place_and_taken_back(
    presence: RegistryPresence, readiness: Readiness
) -> None:
    assert (readiness.impaired, presence.told, away_since()) == ([], None, 0)
    presence.missed(Unavailable("registry", "it was switched off"))
    assert (readiness.impaired, readiness.ready) == ([TOLD], True)
    assert presence.told == TOLD.removeprefix("registry: ")
    assert away_since() == NOON.timestamp()
    presence.answered()
    assert (readiness.impaired, presence.told, away_since()) == ([], None, 0)


def test_while_it_stays_away_the_time_is_the_first_and_the_reason_the_last(
    presence: RegistryPresence, readiness: Readiness, watch: Watch
) -> None:
    presence.missed(Unavailable("registry", "refused"))
    watch.now += timedelta(minutes=1)
    presence.missed(Unavailable("registry", "it was switched off"))
    assert readiness.impaired == [TOLD]
    presence.answered()
    presence.missed(Unavailable("registry", "it was switched off"))
    assert readiness.impaired == [TOLD.replace("12:00", "12:01")]
    assert away_since() == (NOON + timedelta(minutes=1)).timestamp()


def test_what_goes_on_meanwhile_is_said_by_whoever_goes_on(readiness: Readiness) -> None:
    RegistryPresence(readiness.degraded, meanwhile="leads flow").missed(Unavailable("registry", "gone"))
    assert readiness.impaired[0].endswith(": gone; leads flow")


@pytest.mark.parametrize("asked_before", [True, False])
async def test_whoever_follows_contracts_tells_also_before_the_first_message(
    presence: RegistryPresence, readiness: Readiness, asked_before: bool
) -> None:
    registry = MemoryRegistry()
    contracts, held = Contracts(registry, refresh_s=0.001), RecordType("t.R")
    registry.register(held, '{"type": "record", "name": "t.R", "fields": []}')
    if asked_before:
        assert await contracts.get(held) is not None
    async with following(contracts, presence):
        registry.available = False
        await until([TOLD], readiness)
        registry.available = True
        await until([], readiness)


async def test_a_registry_that_hangs_is_known_after_one_time_out_however_many_types_there_are() -> None:
    class Hanging(MemoryRegistry):
        waiting = 0
        hangs = False

        async def versions(self, subject: Subject) -> list[SchemaVersion]:
            if self.hangs:
                self.waiting += 1
                while self.waiting < 8:  # each waits as long as the others do
                    await asyncio.sleep(0.001)
                raise Unavailable("registry", "no answer in time")
            return await super().versions(subject)

    registry = Hanging()
    contracts = Contracts(registry)
    for number in range(8):
        await contracts.get(RecordType(f"t.R{number}"))
    registry.hangs = True
    async with asyncio.timeout(10):
        with pytest.raises(Unavailable, match="no answer in time"):
            await contracts.refresh()


async def test_of_what_fails_at_once_the_mistake_is_raised_and_not_the_bad_moment() -> None:
    class Odd(MemoryRegistry):
        async def versions(self, subject: Subject) -> list[SchemaVersion]:
            if self.available:
                return await super().versions(subject)
            if subject == "t.A":
                raise Unavailable("registry", "away")
            raise ZeroDivisionError

    registry = Odd()
    contracts = Contracts(registry)
    for name in ("t.A", "t.B"):
        await contracts.get(RecordType(name))
    registry.available = False
    with pytest.raises(ZeroDivisionError):
        await contracts.refresh()
