"""The directory takes good registrations, and what is bad in one harms neither the others nor the process."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from orchestrator.directory import Directory
from signalbox.names import RecordType
from signalbox.records import Record
from signalbox_contracts.control import AgentInput, AgentOutput, AgentRegistered

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


async def test_a_tombstone_removes_the_agent_but_it_stays_known_to_release_its_routes() -> None:
    directory = await directory_after(registration())
    await directory.apply(Record("agent_registry", 0, 1, b"echo", None))
    assert not directory.agents
    assert directory.known == {"echo"}


@pytest.mark.parametrize("key", [None, b"", b"\xff", b"Not An Id", b"x" * 40_000])
async def test_a_tombstone_whose_key_is_no_agent_id_is_ignored(key: bytes | None) -> None:
    directory = await directory_after(registration())
    await directory.apply(Record("agent_registry", 0, 1, key, None))
    assert directory.known == {"echo"}


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
