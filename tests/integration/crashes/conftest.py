"""Broker and registry for agents that are killed; the broker advertises a door that can hold a client."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from agent_processes import AgentProcesses
from broker_door import BrokerDoor
from local_stack import Stack
from local_stack.foundation import DEFAULT_STACK, STACK_VARIABLE, Launch
from local_stack.progress import Progress
from local_stack.running import Running
from local_stack.services import BROKER, Address, Service

LOCAL = DEFAULT_STACK
"""A broker that starts in a moment: what is tested here is an agent, and the same on every stack."""


class BehindADoor(Running):
    """Starts a broker that tells its clients the door's address."""

    door: BrokerDoor

    def start(
        self, service: Service, how: Launch, environment: Mapping[str, str], settings: Mapping[str, str]
    ) -> None:
        if service.kind == BROKER:
            self.door.inner = Address.of(service, settings).port
            advertised = {"ADVERTISED_LISTENER_URL": f"tcp://127.0.0.1:{self.door.port}"}
            how = replace(how, environment={**how.environment, **advertised})
        super().start(service, how, environment, settings)


class StackBehindADoor(Stack):
    def __init__(self, root: Path, folder: Path, door: BrokerDoor) -> None:
        super().__init__(root, folder, ports="free", services=["broker", "registry"], kind=LOCAL)
        self._running = BehindADoor(self.root, self.run_dir, Progress(quiet=True))
        self._running.door = door


@pytest.fixture(scope="package")
def door() -> Iterator[BrokerDoor]:
    opened = BrokerDoor()
    yield opened
    opened.close()


@pytest.fixture(scope="package")
def governed(tmp_path_factory: pytest.TempPathFactory, root: Path, door: BrokerDoor) -> Iterator[Stack]:
    """A broker with its topics and a registry with its contracts, and nothing else."""
    if (os.environ.get(STACK_VARIABLE) or DEFAULT_STACK) != LOCAL:
        pytest.skip(f"what is killed here is an agent: that is tested on STACK={LOCAL}")
    with StackBehindADoor(root, tmp_path_factory.mktemp("crashes"), door) as running:
        yield running


@pytest.fixture(scope="module")
def agents(governed: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AgentProcesses]:
    with ExitStack() as afterwards:
        yield AgentProcesses(governed.env, tmp_path_factory.mktemp("agents"), afterwards)
