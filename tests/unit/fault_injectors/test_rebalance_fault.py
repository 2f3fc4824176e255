"""The extra orchestrator comes and goes until it is healed, and is gone then."""

import asyncio
import random
import threading
from pathlib import Path
from typing import Any

import pytest

from fault import World
from injectors.rebalances import ReplicasComeAndGo
from injectors.supervisor import Supervisor
from local_stack.running import StackError


class Stack:
    """As much of a stack as the fault uses; ``stuck`` orchestrators never get ready."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.stuck = False
        self.killed = threading.Event()

    def start_instance(self, name: str) -> None:
        self.done.append(f"start {name}")
        if self.stuck:
            assert self.killed.wait(30)
            raise StackError(f"{name} ended")

    def stop_instance(self, name: str) -> None:
        self.done.append(f"stop {name}")


class Kills(Supervisor):
    def __init__(self, stack: Stack, folder: Path) -> None:
        super().__init__(folder, folder / "restarts.jsonl")
        self._stack = stack

    def take_down(self, name: str, *_: Any) -> bool:
        self._stack.done.append(f"kill {name}")
        self._stack.killed.set()
        return True


@pytest.fixture
def stack(world: World) -> Stack:
    made: Any = Stack()
    world.orchestrators, world.running = 2, made
    stack: Stack = made
    return stack


async def test_an_orchestrator_comes_and_goes_until_it_is_healed(stack: Stack, world: World) -> None:
    fault = ReplicasComeAndGo(Kills(stack, world.run_dir))
    await fault.inject(world, random.Random(1))
    while fault.changes < 4:
        await asyncio.sleep(0.05)
    await fault.heal(world)
    await fault.heal(world)
    assert stack.done[:3] == ["start orchestrator_3", "stop orchestrator_3", "start orchestrator_3"]
    assert stack.done[-1] == "stop orchestrator_3"


async def test_one_that_does_not_get_ready_is_not_waited_for_without_end(
    stack: Stack, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("injectors.rebalances._PATIENCE_S", 0.2)
    stack.stuck = True
    fault = ReplicasComeAndGo(Kills(stack, world.run_dir))
    await fault.inject(world, random.Random(1))
    await fault.heal(world)
    assert stack.done == ["start orchestrator_3", "kill orchestrator_3", "stop orchestrator_3"]
