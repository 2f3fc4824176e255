"""The processes of one stack: started, written down, waited for, found again, stopped."""

import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil

from local_stack import processes
from local_stack.foundation import Launch
from local_stack.instances import kind_of
from local_stack.logs import log_path, tail
from local_stack.progress import Progress
from local_stack.services import BROKER, REGISTRY, Address, Service
from local_stack.state import STACK_FILE, StackProcess, probe_all, read_stack, write_stack
from signalbox.protocol.errors import ConfigurationError, SignalboxError

_START_DEADLINE_S: Final = 120.0
_STOP_PATIENCE_S: Final = 20.0
_POLL_S: Final = 0.1


class StackError(SignalboxError):
    """The stack can't do what was asked; the text says why and what helps."""


class Running:
    """What runs, by ``stack.json`` in the stack's folder; another process may have written it."""

    def __init__(self, root: Path, run_dir: Path, progress: Progress) -> None:
        self._root = root
        self._run_dir = run_dir
        self._progress = progress
        self._children: list[subprocess.Popen[bytes]] = []

    def recorded(self) -> list[StackProcess]:
        """Read ``stack.json``; where it can't be read, the marks in the processes are what is left."""
        try:
            return read_stack(self._run_dir)
        except ConfigurationError:
            return []

    def start(
        self, service: Service, how: Launch, environment: Mapping[str, str], settings: Mapping[str, str]
    ) -> None:
        """Start a process with ``environment`` and ``settings``; write it down with ``settings`` alone."""
        marks = {processes.STACK_MARK: str(self._run_dir), processes.SERVICE_MARK: service.name}
        own = {**environment, **settings, **how.environment, **marks}
        child = processes.start(how.command, own, self._root, log_path(self._run_dir, service.name))
        self._children.append(child)
        address = Address.of(service, settings)
        self._record(
            StackProcess(
                service=service.name,
                pid=child.pid,
                create_time=processes.create_time(child.pid),
                address=how.address,
                host=address.host,
                port=address.port,
                readyz=how.readyz,
                authority=how.authority,
                environment=settings,
            )
        )

    def await_ready(self, names: Collection[str]) -> None:
        """Wait until all of ``names`` say that they are ready.

        Raises:
            StackError: one ended, or they are not ready in time; the text has the end of its log.
        """
        awaited = [process for process in self.recorded() if process.service in names]
        waiting = awaited
        deadline = time.monotonic() + _START_DEADLINE_S
        with self._progress.waiting_for(names):
            while waiting:
                answers = list(zip(waiting, probe_all(waiting), strict=True))
                for process in awaited:
                    if processes.find(process.pid, process.create_time) is None:
                        raise self._not_started(process, "ended")
                for process, answer in answers:
                    if answer.ready:
                        self._progress.say(f"  {process.service:<18} ready  {process.address}")
                    elif time.monotonic() > deadline:
                        raise self._not_started(process, f"is not ready: {answer.detail}")
                waiting = [process for process, answer in answers if not answer.ready]
                time.sleep(_POLL_S if waiting else 0)

    def stop(self, name: str) -> None:
        """Stop one service; it stays written down."""
        self.end(self._found([name]).get(name, []))

    def stop_all(self) -> list[str]:
        """Stop services first, then the registry, then brokers; return the names of what was stopped."""
        found = self._found()
        order = {REGISTRY: 1, BROKER: 2}
        for turn in range(3):
            self.end([p for name, same in found.items() if order.get(kind_of(name), 0) == turn for p in same])
        (self._run_dir / STACK_FILE).unlink(missing_ok=True)
        return list(found)

    def end(self, running: Sequence[psutil.Process]) -> None:
        """Stop processes together, and wait until they are gone."""
        processes.stop(running, _STOP_PATIENCE_S)
        # Who started a process has to take note of its end, or the system keeps its id.
        self._children = [child for child in self._children if child.poll() is None]

    def forget(self, name: str) -> None:
        """Take a service off the list."""
        write_stack(self._run_dir, [process for process in self.recorded() if process.service != name])

    def dead(self) -> list[str]:
        """Name what was started and has ended by itself."""
        return [p.service for p in self.recorded() if processes.find(p.pid, p.create_time) is None]

    def environment(self) -> dict[str, str]:
        """Return the whole environment that the stack was started with; empty where nothing runs any more.

        ``stack.json`` has no secrets, so it is read from a process that still runs, where there is one.
        """
        for recorded in self.recorded():
            process = processes.find(recorded.pid, recorded.create_time)
            if process is not None and (environment := processes.environment_of(process)):
                return environment
        return {}

    def _record(self, process: StackProcess) -> None:
        others = self.recorded()
        if process.service not in {other.service for other in others}:
            write_stack(self._run_dir, [*others, process])
            return
        write_stack(self._run_dir, [process if o.service == process.service else o for o in others])

    def _not_started(self, process: StackProcess, what: str) -> StackError:
        log = log_path(self._run_dir, process.service)
        lines = "\n".join(f"  | {line}" for line in tail(log, 20))
        return StackError(f"{process.service} {what}; the end of {log}:\n{lines}")

    def _found(self, names: Collection[str] | None = None) -> dict[str, list[psutil.Process]]:
        """Find what runs, by what was recorded and by the marks in the processes' environments."""
        recorded = [(p.service, processes.find(p.pid, p.create_time)) for p in self.recorded()]
        found: dict[str, list[psutil.Process]] = {}
        for name, process in [*recorded, *processes.marked(self._run_dir)]:
            if process is not None and (names is None or name in names):
                same = found.setdefault(name, [])
                same.extend([] if process in same else [process])
        return found
