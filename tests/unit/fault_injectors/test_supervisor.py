"""Real processes that are listed as a stack's: killed, stopped, and started again."""

import asyncio
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGTERM

import psutil
import pytest

from fault import Kind, World
from injectors.process_faults import Down, StandingStill
from injectors.supervisor import Supervisor
from local_stack import processes
from local_stack.state import StackProcess, read_stack, write_stack

_COMMAND = [sys.executable, "-c", "import time; time.sleep(600)"]
_NAMES = ("lead_scoring", "send_email")


def _start(run_dir: Path, name: str) -> StackProcess:
    marks = {processes.STACK_MARK: str(run_dir), processes.SERVICE_MARK: name, "KEPT": "yes"}
    child = processes.start(_COMMAND, marks, run_dir, run_dir / "logs" / name)
    started = processes.create_time(child.pid)
    return StackProcess(name, child.pid, started, "http://127.0.0.1:1", "127.0.0.1", 1, "/readyz", {})


@pytest.fixture
def run_dir(tmp_path: Path) -> Iterator[Path]:
    write_stack(tmp_path, [_start(tmp_path, name) for name in _NAMES])
    yield tmp_path
    processes.stop([process for _, process in processes.marked(tmp_path)], 5)


@pytest.fixture
def supervisor(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Supervisor:
    monkeypatch.setattr("injectors.supervisor._READY_DEADLINE_S", 0.0)  # they only sleep: nothing gets ready
    return Supervisor(run_dir, run_dir / "restarts.jsonl")


def _pid(run_dir: Path, name: str) -> int:
    [recorded] = [one for one in read_stack(run_dir) if one.service == name]
    return recorded.pid


def _process(run_dir: Path, name: str) -> psutil.Process:
    return psutil.Process(_pid(run_dir, name))


async def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_what_ends_unexpectedly_is_started_again_as_it_was_and_noted(
    supervisor: Supervisor, run_dir: Path
) -> None:
    watching = asyncio.create_task(supervisor.watch())
    await asyncio.sleep(1)
    before = _process(run_dir, "send_email")
    before.kill()
    await _until(lambda: _pid(run_dir, "send_email") != before.pid)
    again = _process(run_dir, "send_email")
    assert again.environ()["KEPT"] == "yes"
    assert again.cmdline() == _COMMAND
    await _until((run_dir / "restarts.jsonl").exists)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    lines = (run_dir / "restarts.jsonl").read_text().splitlines()
    assert [json.loads(line)["service"] for line in lines] == ["send_email"]


@pytest.mark.parametrize("signal", [None, SIGTERM])
async def test_what_a_fault_took_down_stays_down_until_it_is_healed(
    supervisor: Supervisor, run_dir: Path, world: World, signal: int | None
) -> None:
    only: dict[str, int] = {} if signal is None else {"sig": signal}
    fault = Down("down", Kind.PROCESS, supervisor, lambda *_: ["lead_scoring"], **only)  # type: ignore[arg-type]
    watching = asyncio.create_task(supervisor.watch())
    assert "lead_scoring" in await fault.inject(world, random.Random(1))
    await asyncio.sleep(1.2)  # two looks of the watch, which must not bring it back
    assert supervisor.running() == ["send_email"]
    await fault.heal(world)
    await fault.heal(world)
    assert supervisor.running() == list(_NAMES)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert not (run_dir / "restarts.jsonl").exists()


async def test_what_stands_still_goes_on_when_it_is_healed(
    supervisor: Supervisor, run_dir: Path, world: World
) -> None:
    fault = StandingStill("still", Kind.PROCESS, supervisor, lambda *_: ["lead_scoring"])
    process = _process(run_dir, "lead_scoring")
    await fault.inject(world, random.Random(1))
    await _until(lambda: process.status() == psutil.STATUS_STOPPED)
    await fault.heal(world)
    await _until(lambda: process.status() != psutil.STATUS_STOPPED)


async def test_what_the_stack_took_off_its_list_is_not_started_again(
    supervisor: Supervisor, run_dir: Path
) -> None:
    watching = asyncio.create_task(supervisor.watch())
    await asyncio.sleep(1)
    process = _process(run_dir, "send_email")
    write_stack(run_dir, [one for one in read_stack(run_dir) if one.service != "send_email"])
    process.kill()
    await asyncio.sleep(1.2)
    assert supervisor.running() == ["lead_scoring"]
    assert len(processes.marked(run_dir)) == 1
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
