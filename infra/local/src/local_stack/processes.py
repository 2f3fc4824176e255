"""Processes of the operating system: start them detached, find them again, stop them."""

import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

STACK_MARK: Final = "SIGNALBOX_STACK"
SERVICE_MARK: Final = "SIGNALBOX_SERVICE"
"""Set in each process of a stack to the stack's folder and the service's name, so that a process is found
when ``stack.json`` is lost or was not written yet."""

_SAME_START_S: Final = 2.0
_POLL_S: Final = 0.05
_AFTER_KILL_S: Final = 5.0


def start(
    command: Sequence[str], environment: Mapping[str, str], cwd: Path, log: Path
) -> subprocess.Popen[bytes]:
    """Start ``command`` in a session of its own, its output appended to ``log``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            env=dict(environment),
            umask=0o077,  # what it writes is its user's alone
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def create_time(pid: int) -> float:
    """Return when the process started, in seconds since the epoch; 0 if it has ended already."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return 0.0


def find(pid: int, started: float) -> psutil.Process | None:
    """Return the process with this id if it is the one that started then, and still runs."""
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) < _SAME_START_S
    except psutil.Error:
        return None
    return process if same and is_alive(process) else None


def marked(run_dir: Path) -> list[tuple[str, psutil.Process]]:
    """Find every process that a stack in ``run_dir`` started, with its service's name."""
    found = ((environment_of(process), process) for process in psutil.process_iter())
    return [
        (environment.get(SERVICE_MARK, ""), process)
        for environment, process in found
        if environment.get(STACK_MARK) == str(run_dir) and is_alive(process)
    ]


def environment_of(process: psutil.Process) -> dict[str, str]:
    """Return the environment that a process was started with; empty where that can't be seen."""
    try:
        return process.environ()
    except (psutil.Error, OSError):
        return {}


def is_alive(process: psutil.Process) -> bool:
    """Tell whether it still runs, with any of its threads.

    A process of many threads counts as a zombie when the first has ended; the others may hold its port yet.
    """
    try:
        return process.is_running() and (
            process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1
        )
    except psutil.Error:
        return False


def stop(processes: Iterable[psutil.Process], patience_s: float) -> None:
    """Stop processes together: SIGTERM, and after ``patience_s`` SIGKILL for the groups that are left."""
    processes = list(processes)
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    stubborn = _left_after(processes, patience_s)
    for process in stubborn:
        kill_group(process)
    _left_after(stubborn, _AFTER_KILL_S)


def kill_group(process: psutil.Process) -> None:
    """Kill a process, and its group if it leads one: that is whatever it started."""
    with suppress(psutil.NoSuchProcess, ProcessLookupError):
        if os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _left_after(processes: Sequence[psutil.Process], seconds: float) -> list[psutil.Process]:
    deadline = time.monotonic() + seconds
    while alive := [process for process in processes if is_alive(process)]:
        if time.monotonic() > deadline:
            return alive
        time.sleep(_POLL_S)
    return []
