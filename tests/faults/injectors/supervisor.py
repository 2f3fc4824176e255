"""Starts again what has ended, as the supervisor of a real deployment does: the local stack has none."""

import asyncio
import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from subprocess import Popen
from typing import Final

import psutil

from fault import append_line
from local_stack import processes
from local_stack.lock import exclusive
from local_stack.logs import log_path
from local_stack.state import StackProcess, probe, read_stack, write_stack
from signalbox.protocol.errors import ConfigurationError

_LOOK_EVERY_S: Final = 0.5
_LOCK_PATIENCE_S: Final = 180.0
_STOP_PATIENCE_S: Final = 20.0
_READY_DEADLINE_S: Final = 60.0
_POLL_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class _Started:
    """How a process was started, as the system tells it."""

    pid: int
    command: list[str] = field(repr=False)
    environment: dict[str, str] = field(repr=False)
    folder: Path

    @classmethod
    def of(cls, process: psutil.Process) -> "_Started":
        return cls(process.pid, process.cmdline(), process.environ(), Path(process.cwd()))


class Supervisor:
    """Watches the processes of the stack in ``run_dir``, except those that a fault holds down."""

    def __init__(self, run_dir: Path, restarts: Path) -> None:
        self._run_dir = run_dir
        self._restarts = restarts
        self._known: dict[str, _Started] = {}
        self._held: set[str] = set()
        self._children: list[Popen[bytes]] = []
        self._lock = threading.Lock()

    async def watch(self) -> None:
        """Look again and again, until cancelled; each unexpected end becomes a line in ``restarts``."""
        while True:
            await asyncio.to_thread(self._look)
            await asyncio.sleep(_LOOK_EVERY_S)

    def running(self) -> list[str]:
        """Return the names of the processes that run now."""
        return [recorded.service for recorded in self._recorded() if _found(recorded) is not None]

    def signal(self, name: str, sig: Signals) -> bool:
        """Send a signal to a process; False when it does not run."""
        process = self._process(name)
        with suppress(psutil.NoSuchProcess):
            if process is not None:
                process.send_signal(sig)
                return True
        return False

    def take_down(self, name: str, sig: Signals = SIGKILL) -> bool:
        """End a process, and hold it down until it is brought back; False when it did not run."""
        process = self._process(name)
        if process is None:
            return False
        with self._lock:
            self._remember(name, process)
            self._held.add(name)
        if sig == SIGTERM:
            processes.stop([process], _STOP_PATIENCE_S)
        else:
            _kill(process)
        self._reap()
        return True

    def bring_back(self, name: str) -> None:
        """Start a process again unless it runs, as it was, and wait until it is ready, for a while.

        It may wait for something else that is away: that is for whoever took that away.
        """
        self._held.discard(name)
        self._start(name)
        deadline = time.monotonic() + _READY_DEADLINE_S
        while time.monotonic() < deadline and not self._is_ready(name):
            time.sleep(_POLL_S)

    def release(self, name: str) -> None:
        """Hold a process down no longer, without starting it."""
        self._held.discard(name)

    def _look(self) -> None:
        for recorded in self._recorded():
            process = _found(recorded)
            name = recorded.service
            if process is not None:
                with self._lock, suppress(psutil.Error):
                    self._remember(name, process)
            elif name not in self._held and name in self._known and self._start(name):
                append_line(self._restarts, {"service": name})
        self._reap()

    def _remember(self, name: str, process: psutil.Process) -> None:
        known = self._known.get(name)
        if known is None or known.pid != process.pid:
            self._known[name] = _Started.of(process)

    def _start(self, name: str) -> bool:
        """Start a process that the stack lists and that does not run; False when there is none such now."""
        # The stack may be starting or taking out the very process: after it has, things look otherwise.
        locked = exclusive(self._run_dir, f"supervise {name}", patience_s=_LOCK_PATIENCE_S)
        with self._lock, suppress(ConfigurationError), locked:
            listed = {recorded.service: recorded for recorded in self._recorded()}
            if name not in listed or _found(listed[name]) is not None or name not in self._known:
                return False
            child = self._started(self._known[name], name)
            new = replace(listed[name], pid=child.pid, create_time=processes.create_time(child.pid))
            write_stack(self._run_dir, [new if p.service == name else p for p in listed.values()])
            return True
        return False

    def _started(self, how: _Started, name: str) -> Popen[bytes]:
        child = processes.start(how.command, how.environment, how.folder, log_path(self._run_dir, name))
        self._children.append(child)
        return child

    def _is_ready(self, name: str) -> bool:
        return any(probe(recorded).ready for recorded in self._recorded() if recorded.service == name)

    def _process(self, name: str) -> psutil.Process | None:
        found = [_found(recorded) for recorded in self._recorded() if recorded.service == name]
        return found[0] if found else None

    def _recorded(self) -> list[StackProcess]:
        try:
            return read_stack(self._run_dir)
        except ConfigurationError:
            return []

    def _reap(self) -> None:
        self._children = [child for child in self._children if child.poll() is None]


def _found(recorded: StackProcess) -> psutil.Process | None:
    return processes.find(recorded.pid, recorded.create_time)


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess, ProcessLookupError):
        os.kill(process.pid, SIGKILL)
    deadline = time.monotonic() + _STOP_PATIENCE_S
    while processes.is_alive(process) and time.monotonic() < deadline:
        time.sleep(_POLL_S / 4)
