"""The directory takes good registrations, and what is bad in one harms neither the others nor the process."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import REGISTRY

from signalbox.control.models import AgentInput, AgentOutput, AgentRegistered
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import AgentId, RecordType
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Record
from signalbox.telemetry import Readiness
from signalbox_decide.directory import Directory
from signalbox_decide.seats import FULL, Seats

ECHO = AgentId("echo")
ANNOUNCEMENT = Record("agent_registry", 0, 1, b"echo", b"registration")
TOMBSTONE = Record("agent_registry", 0, 1, b"echo", None)
LOOPBACK = r"https?://(127\.0\.0\.1|localhost)(:\d+)?(/.*)?"


class Decoded:
    """Stands for the control codec: the registration that a test wrote is what it reads."""

    def __init__(self, said: AgentRegistered) -> None:
        self.said = said

    async def read(self, *_: Any) -> AgentRegistered:
        return self.said


def registration(agent: str = "echo", **fields: Any) -> AgentRegistered:
    said: Mapping[str, Any] = {
        "agent_id": agent,
        "name": agent,
        "description": "Echoes.",
        "input": [AgentInput(record_type="demo.Asked", when="this.score > 1")],
        "output": [AgentOutput(record_type="demo.Answered", terminal=True)],
        "endpoint": "http://127.0.0.1:8199",
        "contracts": [],
        "registered_at": datetime.now(UTC),
        **fields,
    }
    return AgentRegistered(**said)


async def directory_after(said: AgentRegistered, key: bytes | None = b"echo") -> Directory:
    directory = Directory(Decoded(said), LOOPBACK)  # type: ignore[arg-type]
    await directory.apply(Record("agent_registry", 0, 0, key, b"registration"))
    return directory


async def test_a_registered_agent_takes_its_type_under_its_condition() -> None:
    [agent] = (await directory_after(registration())).taking(RecordType("demo.Asked"))
    assert agent.accepts(RecordType("demo.Asked"), {"score": 2})
    assert not agent.accepts(RecordType("demo.Asked"), {"score": 1})


async def test_a_tombstone_removes_the_agent_but_it_stays_at_work_to_release_its_routes() -> None:
    directory = await directory_after(registration())
    directory.reached(ECHO, "http://127.0.0.1:8199")
    await directory.apply(TOMBSTONE)
    assert not directory.agents
    assert directory.at_work == {ECHO}
    directory.released(ECHO)
    assert not directory.at_work


async def test_an_agent_that_was_never_reached_leaves_nothing_behind() -> None:
    directory = await directory_after(registration())
    assert not directory.at_work
    await directory.apply(TOMBSTONE)
    assert not directory.at_work
    assert not directory.to_remember


@pytest.mark.parametrize("key", [None, b"", b"\xff", b"Not An Id", b"x" * 40_000])
async def test_a_tombstone_whose_key_is_no_agent_id_is_ignored(key: bytes | None) -> None:
    directory = await directory_after(registration())
    await directory.apply(Record("agent_registry", 0, 1, key, None))
    assert set(directory.agents) == {ECHO}


async def test_an_agent_is_reached_at_the_endpoint_that_it_has_now() -> None:
    said = registration()
    directory = await directory_after(said)
    directory.reached(ECHO, said.endpoint)
    assert directory.was_reached(ECHO)
    await directory.apply(ANNOUNCEMENT)
    assert directory.was_reached(ECHO)  # it was started again
    said.endpoint = "http://127.0.0.1:8200"
    await directory.apply(ANNOUNCEMENT)
    assert not directory.was_reached(ECHO)


async def test_what_was_reached_before_a_restart_is_known_after_it() -> None:
    before = await directory_after(registration())
    before.reached(ECHO, "http://127.0.0.1:8199")
    after = Directory(Decoded(registration()), LOOPBACK)  # type: ignore[arg-type]
    after.remember({**before.to_remember, AgentId("gone"): "http://127.0.0.1:1"})
    await after.apply(ANNOUNCEMENT)
    assert after.was_reached(ECHO)
    assert after.at_work == {ECHO, "gone"}


async def test_an_agent_that_says_again_what_it_said_is_no_change() -> None:
    directory = await directory_after(registration())
    change = asyncio.create_task(directory.change(None))
    for _ in range(1000):
        await directory.apply(ANNOUNCEMENT)
    await asyncio.sleep(0)
    assert not change.done()
    change.cancel()


async def test_a_flood_of_strangers_keeps_no_agent_of_the_catalog_and_none_that_is_there_out() -> None:
    codec, readiness = Decoded(registration()), Readiness()
    directory = Directory(codec, LOOPBACK, Seats(8, [AgentId("known")]), readiness.degraded)  # type: ignore[arg-type]

    async def announce(agent: str) -> str | None:
        codec.said = registration(agent)
        return await directory.apply(Record("agent_registry", 0, 0, agent.encode(), b"registration"))

    assert await announce("early") is None
    refusals = [await announce(f"stranger-{number}") for number in range(150)]
    assert sum(why is None for why in refusals) == 6
    assert "AGENT_LIMIT" in (refusals[-1] or "")
    assert "AGENT_LIMIT" in readiness.impaired[0]
    assert await announce("known") is None
    assert await announce("early") is None
    assert len(directory.agents) == 8

    codec.said = registration("stranger-6")  # the first that was refused has the seat that is free now
    await directory.apply(Record("agent_registry", 0, 0, b"stranger-1", None))
    assert "stranger-6" in directory.agents


async def test_a_hundred_thousand_records_of_junk_ask_the_registry_little_and_are_soon_over() -> None:
    asked = 0

    class Unknown:
        async def read(self, *_: Any) -> AgentRegistered:
            nonlocal asked
            asked += 1
            raise Refusal(Reason.UNKNOWN_SCHEMA, "the registry does not know it")

    directory = Directory(Unknown(), LOOPBACK)  # type: ignore[arg-type]
    began = time.monotonic()
    for number in range(100_000):
        junk = b"\0" + number.to_bytes(4, "big") + b"junk"
        await directory.apply(Record("agent_registry", 0, number, f"a{number}".encode(), junk))
    assert asked <= 64
    assert not directory.agents
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(
    "fields",
    [
        {"input": [AgentInput(record_type=f"demo.T{number}", when=None) for number in range(33)]},
        {"output": [AgentOutput(record_type=f"demo.T{number}", terminal=False) for number in range(33)]},
        {"input": [AgentInput(record_type="demo.Asked", when="this.a > 1 && " * 100 + "true")]},
        {"input": [AgentInput(record_type="demo." + "a" * 300, when=None)]},
        {"endpoint": "http://127.0.0.1:8199/" + "a" * 3000},
        {"description": "a" * 4001},
        {"name": "a" * 101},
    ],
)
async def test_a_definition_that_is_larger_than_definitions_may_be_is_left_out(
    fields: dict[str, Any],
) -> None:
    assert not (await directory_after(registration(**fields))).agents


@pytest.mark.parametrize(
    "fields",
    [
        {"endpoint": "http://10.0.0.1:8199"},
        {"endpoint": "http://127.0.0.1.evil.example:80"},
        {"endpoint": "http://127.0.0.1:999999/x"},
        {"agent": "another"},
        {"input": [AgentInput(record_type="demo.Asked", when="this.score >")]},
        {"input": []},
    ],
)
async def test_a_registration_that_is_not_allowed_or_not_right_is_left_out(fields: dict[str, Any]) -> None:
    assert not (await directory_after(registration(**fields))).agents


async def test_only_the_agents_own_records_end_a_workflow_by_its_word() -> None:
    directory = await directory_after(registration())
    assert directory.ends_with(RecordType("demo.Answered"), "echo")
    assert not directory.ends_with(RecordType("demo.Answered"), "somebody_else")
    assert not directory.ends_with(RecordType("demo.Asked"), "echo")


async def test_a_change_between_the_call_and_the_wait_is_noticed() -> None:
    directory = await directory_after(registration())
    change = directory.change(5)
    await directory.apply(Record("agent_registry", 0, 1, b"echo", None))
    async with asyncio.timeout(1):
        await change


async def test_that_an_agent_is_reached_where_it_was_reached_is_no_change() -> None:
    directory = await directory_after(registration())
    directory.reached(ECHO, "http://127.0.0.1:8199")
    change = directory.change(5)
    directory.reached(ECHO, "http://127.0.0.1:8199")
    waiting = asyncio.create_task(change)
    await asyncio.sleep(0)
    assert not waiting.done()
    directory.reached(ECHO, "http://127.0.0.1:8200")
    async with asyncio.timeout(1):
        await waiting


async def test_the_directory_changed_when_an_agent_came_and_when_it_left() -> None:
    directory = await directory_after(registration())
    came = directory.changed_at
    assert directory.known_since(ECHO) <= came
    await directory.apply(TOMBSTONE)
    assert directory.changed_at >= came
    assert ECHO not in directory.agents


@pytest.fixture
async def directory() -> Directory:
    return await directory_after(registration())


async def is_a_change(directory: Directory, what: Callable[[], object]) -> bool:
    """Say whether who waits for a change is woken by ``what``."""
    change = asyncio.create_task(directory.change(None))
    await asyncio.sleep(0)
    what()
    for _ in range(3):
        await asyncio.sleep(0)
    change.cancel()
    return change.done()


async def test_who_waits_is_woken_when_there_is_something_to_do_for_an_agent(directory: Directory) -> None:
    elsewhere = AgentId("elsewhere")
    assert await is_a_change(directory, lambda: directory.route_to(ECHO))
    assert not await is_a_change(directory, lambda: directory.route_to(ECHO))
    assert await is_a_change(directory, lambda: directory.released(ECHO))
    assert await is_a_change(directory, lambda: directory.reached(ECHO, "http://127.0.0.1:8199"))
    assert not await is_a_change(directory, lambda: directory.route_to(ECHO))  # it has a dispatcher
    assert await is_a_change(directory, lambda: directory.route_to(elsewhere))
    assert directory.at_work == {ECHO, elsewhere}


async def test_that_all_was_read_is_told_once_and_those_who_left_meanwhile_are_forgotten() -> None:
    directory = Directory(Decoded(registration()), LOOPBACK)  # type: ignore[arg-type]
    directory.remember({ECHO: "http://127.0.0.1:8199", AgentId("gone"): "http://127.0.0.1:1"})
    await directory.apply(ANNOUNCEMENT)
    assert await is_a_change(directory, directory.is_read)
    assert directory.read_to_its_end.is_set()
    assert not await is_a_change(directory, directory.is_read)
    assert directory.to_remember == {ECHO: "http://127.0.0.1:8199", AgentId("gone"): ""}
    directory.released(AgentId("gone"))
    assert directory.to_remember == {ECHO: "http://127.0.0.1:8199"}


async def test_a_wait_for_a_change_ends_with_its_time(directory: Directory) -> None:
    async with asyncio.timeout(5):
        await directory.change(0.001)


async def test_types_are_announced_by_who_takes_them_and_by_who_gives_them(directory: Directory) -> None:
    announced = {
        name: directory.announces(RecordType(f"demo.{name}")) for name in ("Asked", "Answered", "No")
    }
    assert announced == {"Asked": True, "Answered": True, "No": False}


async def test_agents_that_take_a_type_come_in_the_order_of_their_ids_whoever_came_first() -> None:
    codec = Decoded(registration())
    directory = Directory(codec, LOOPBACK)  # type: ignore[arg-type]
    for agent in ("echo", "zulu", "alpha"):
        codec.said = registration(agent)
        await directory.apply(Record("agent_registry", 0, 0, agent.encode(), b"registration"))
    takers = directory.taking(RecordType("demo.Asked"))
    assert [agent.definition.id for agent in takers] == ["alpha", "echo", "zulu"]
    assert directory.taking(RecordType("demo.Answered")) == []


class Ticking:
    """A clock that goes on by a second whenever it is looked at."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def elapsed(self) -> float:
        self.time += 1
        return self.time


async def test_an_agent_is_known_since_it_came_first_and_again_since_it_came_back() -> None:
    said = registration()
    directory = Directory(Decoded(said), LOOPBACK, clock=Ticking())  # type: ignore[arg-type]
    await directory.apply(ANNOUNCEMENT)
    first, changed = directory.known_since(ECHO), directory.changed_at
    assert 0 < first < changed
    said.endpoint = "http://127.0.0.1:8200"
    await directory.apply(ANNOUNCEMENT)
    assert (directory.known_since(ECHO), directory.changed_at > changed) == (first, True)
    await directory.apply(TOMBSTONE)
    left = directory.changed_at
    await directory.apply(ANNOUNCEMENT)
    assert directory.known_since(ECHO) > left


async def test_what_is_left_out_is_told_and_counted_by_its_kind_and_the_agents_are_counted() -> None:
    def counted() -> dict[str, float]:
        name = "signalbox_registrations_left_out_total"
        return {
            why: REGISTRY.get_sample_value(name, {"why": why}) or 0 for why in ("key", "limit", "definition")
        }

    codec, before = Decoded(registration()), counted()
    directory = Directory(codec, LOOPBACK, Seats(1))  # type: ignore[arg-type]
    assert await directory.apply(ANNOUNCEMENT) is None
    assert REGISTRY.get_sample_value("signalbox_agents") == 1
    assert await directory.apply(replace(ANNOUNCEMENT, key=b"another")) == FULL
    assert counted() == before | {"limit": before["limit"] + 1}
    assert await directory.apply(replace(ANNOUNCEMENT, key=b"Not An Id"))
    assert counted()["key"] == before["key"] + 1
    codec.said = registration("another")
    why = await directory.apply(ANNOUNCEMENT)
    assert why == "the key says echo, the record another"
    assert counted()["definition"] == before["definition"] + 1
    directory = await directory_after(registration())
    await directory.apply(TOMBSTONE)
    assert REGISTRY.get_sample_value("signalbox_agents") == 0


async def test_who_waited_for_a_seat_is_judged_again_when_one_is_free() -> None:
    codec, judged = Decoded(registration()), list[Record]()
    directory = Directory(codec, LOOPBACK, Seats(1))  # type: ignore[arg-type]

    async def judge(record: Record) -> None:
        judged.append(record)

    directory.judged_by(judge)
    await directory.apply(ANNOUNCEMENT)
    waiting = [replace(ANNOUNCEMENT, key=key) for key in (b"first", b"second")]
    for one in waiting:
        await directory.apply(one)
    await directory.apply(replace(TOMBSTONE, key=b"never_there"))
    assert judged == []
    await directory.apply(TOMBSTONE)
    assert judged == waiting[:1]


async def test_an_agent_that_was_reached_once_has_a_seat_until_it_is_removed() -> None:
    codec = Decoded(registration())
    directory = Directory(codec, LOOPBACK, Seats(1))  # type: ignore[arg-type]
    directory.remember({ECHO: "http://127.0.0.1:8199"})
    assert await directory.apply(replace(ANNOUNCEMENT, key=b"another")) == FULL
    assert await directory.apply(ANNOUNCEMENT) is None
