"""What stands around the stack: opened for the kinds that are wanted, told to the world, closed again."""

import os
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from fault import Kind, World
from injectors.surroundings import NotSurrounded, open_surroundings
from local_stack.state import StackProcess

README = Path(__file__).resolve().parents[2] / "faults" / "injectors" / "README.md"


def _listens(url: str) -> bool:
    host, port = url.split("://")[1].split("/", maxsplit=1)[0].split(":")
    with socket.socket() as client:
        client.settimeout(5)
        return client.connect_ex((host, int(port))) == 0


async def test_every_kind_has_faults_with_names_of_their_own_and_all_are_documented(world: World) -> None:
    world.brokers = 3
    async with open_surroundings(world, frozenset(Kind)) as around:
        names = [fault.name for fault in around.faults]
        kinds = {fault.kind for fault in around.faults}
    if not (world.run_dir / "preload" / "preload.so").exists():
        pytest.skip("no C compiler: no full disks and no clock jumps")
    assert kinds == set(Kind)
    assert len(set(names)) == len(names)
    assert set(re.findall(r"`([a-z]+(?:-[a-z0-9]+)+)`", README.read_text())) == set(names)


async def test_the_world_is_told_of_what_listens_and_all_of_it_is_closed_at_the_end(world: World) -> None:
    world.brokers = 3
    async with open_surroundings(world, frozenset(Kind)):
        orchestrator = world.env_of["orchestrator"]
        urls = [world.env["SMTP_URL"], world.env["LLM_BASE_URL"], orchestrator["SCHEMA_REGISTRY_URL"]]
        urls += [f"tcp://{server}" for server in orchestrator["KAFKA_BOOTSTRAP_SERVERS"].split(",")]
        urls.append(world.env_of["send_email"]["AGENT_ENDPOINT"])
        assert len(urls) == 7
        assert all(map(_listens, urls))
    assert not any(map(_listens, urls))


class Stack:
    """A stack of one process: this one."""

    processes = [  # noqa: RUF012 - never changed
        StackProcess("orchestrator", os.getpid(), 0.0, "", "127.0.0.1", 1, "/readyz", {})
    ]


async def test_a_stack_that_was_started_past_the_proxies_is_not_tested(
    world: World,
) -> None:
    stack: Any = Stack()
    world.running = stack
    async with open_surroundings(world, frozenset({Kind.REGISTRY})) as around:
        with pytest.raises(NotSurrounded, match="orchestrator was started without SCHEMA_REGISTRY_URL"):
            await around.ready(world)


async def test_a_broker_without_its_second_listener_is_not_tested(world: World) -> None:
    stack: Any = Stack()
    world.running = stack
    async with open_surroundings(world, frozenset({Kind.NETWORK})) as around:
        world.env_of.clear()
        with pytest.raises(NotSurrounded, match="broker does not listen"):
            await around.ready(world)


async def test_without_faults_only_the_mail_server_stands_and_the_model_is_the_offline_one(
    world: World,
) -> None:
    async with open_surroundings(world, frozenset()) as around:
        assert around.faults == []
        assert _listens(world.env["SMTP_URL"])
        assert world.env["LLM_MODEL"] == "offline"
        assert (world.env_of, world.second_listeners) == ({}, {})
