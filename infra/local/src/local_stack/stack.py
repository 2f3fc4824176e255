"""The stack as a whole: up, down, and one service anew."""

import os
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import psutil

from local_stack import processes
from local_stack.foundation import (
    DEFAULT_STACK,
    STACK_VARIABLE,
    Foundation,
    application_launch,
    foundation_of,
)
from local_stack.governance import apply_contracts_and_topics, ask_can_i_deploy
from local_stack.lock import exclusive
from local_stack.logs import log_path, tail
from local_stack.ports import chosen_addresses, ensure_free, free_ports, is_taken
from local_stack.progress import Progress
from local_stack.services import (
    APPLICATIONS,
    BROKER,
    FOUNDATION,
    REGISTRY,
    SERVICES,
    Address,
    Service,
    shared_settings,
)
from signalbox.cli.status import STACK_FILE, StackProcess, probe_all, read_stack, write_stack
from signalbox.errors import ConfigurationError, SignalboxError

_START_DEADLINE_S: Final = 90.0
_STOP_PATIENCE_S: Final = 20.0
_LOCK_PATIENCE_S: Final = 120.0
_POLL_S: Final = 0.1
_FREE_PORT_ATTEMPTS: Final = 3


class StackError(SignalboxError):
    """The stack can't do what was asked; the text says why and what helps."""


class Stack:
    """The processes of one stack, known by its folder ``run_dir``; another process may have started them.

    ``kind`` is the broker and registry to start, ``STACK`` of the environment by default; a stack that is up
    keeps its own. ``ports`` moves services by name; ``"free"`` finds free ones. ``services`` is a subset to
    start. ``extra_env`` is added to every process's settings.
    """

    def __init__(
        self,
        root: Path,
        run_dir: Path,
        *,
        ports: Mapping[str, int] | Literal["free"] | None = None,
        extra_env: Mapping[str, str] | None = None,
        services: Collection[str] | None = None,
        kind: str | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.root = root.resolve()
        self.run_dir = run_dir.resolve()
        self._kind = kind or os.environ.get(STACK_VARIABLE) or DEFAULT_STACK
        self._ports = ports or {}
        self._extra_env = dict(extra_env or {})
        self._names = [name for name in SERVICES if services is None or name in services]
        self._progress = progress or Progress(quiet=True)
        self._children: list[subprocess.Popen[bytes]] = []
        if self.root.is_relative_to(self.run_dir) or Path.home().is_relative_to(self.run_dir):
            raise ConfigurationError(f"RUN_DIR is {self.run_dir}, expected a folder of the stack's own")

    @property
    def processes(self) -> list[StackProcess]:
        """What was started, in that order.

        Raises:
            ConfigurationError: ``stack.json`` can't be read.
        """
        return read_stack(self.run_dir)

    @property
    def addresses(self) -> dict[str, str]:
        """Where each service is reached: a URL, and for the broker ``host:port``."""
        return {process.service: process.address for process in self.processes}

    @property
    def env(self) -> dict[str, str]:
        """The environment in which commands and further agents work with this stack."""
        return {**os.environ, **self._settings_in_use()}

    def up(self) -> bool:
        """Start everything and wait until it is ready; False when it was running already.

        Raises:
            ConfigurationError: a port is taken, or another command is at work.
            StackError: something did not become ready; what was started is stopped again.
        """
        with exclusive(self.run_dir, "up"):
            if self._is_running():
                return False
            foundation = foundation_of(self._kind, self.root)
            foundation.prepare(self._progress)
            if self._stop_all():
                self._progress.say("stopped what an earlier start left behind")
            for attempt in range(1, _FREE_PORT_ATTEMPTS + 1):
                addresses = self._choose_addresses()
                try:
                    self._start_all(foundation, addresses)
                    break
                except SignalboxError:
                    self._stop_all()
                    # Somebody may have taken a free port before the process that it was for.
                    lost_a_port = self._ports == "free" and any(map(is_taken, addresses.values()))
                    if not lost_a_port or attempt == _FREE_PORT_ATTEMPTS:
                        raise
                except BaseException:
                    self._progress.say("stopping what was started")
                    self._stop_all()
                    raise
        return True

    def down(self) -> list[str]:
        """Stop everything, also what a crash left behind; returns the names of what was stopped."""
        if not self.run_dir.is_dir():
            return []
        with exclusive(self.run_dir, "down", patience_s=_LOCK_PATIENCE_S):
            return self._stop_all()

    def redeploy(self, name: str, environment: Mapping[str, str] | None = None) -> None:
        """Stop one service, start it again as it was, and wait until it is ready.

        ``environment`` is set for this service alone, from now on: `can-i-deploy` is asked with it, too.

        Raises:
            StackError: there is no such service, it may not be deployed, or it did not become ready.
        """
        with exclusive(self.run_dir, f"redeploy {name}", patience_s=_LOCK_PATIENCE_S):
            old = self.process(name)
            shared = self._environment_in_use()
            own = {**old.environment, **(environment or {})}
            if name not in {BROKER, REGISTRY}:
                warning = ask_can_i_deploy(name, self.root, {**shared, **own})
                self._progress.say(warning or f"{name} may be deployed")
            self._progress.say(f"stopping {name}")
            self._stop(self._found([name]).get(name, []))
            ensure_free({name: Address.of(SERVICES[name], own)})
            foundation = self._foundation_in_use()
            self._record(self._started(foundation, SERVICES[name], shared, own))
            self._await_ready([name])
            if name == BROKER:
                self._after_broker(foundation, shared)

    def kill(self, name: str, sig: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to one service; after SIGKILL, return when it is gone."""
        recorded = self.process(name)
        process = processes.find(recorded.pid, recorded.create_time)
        if process is None:
            raise StackError(f"{name} is not running")
        process.send_signal(sig)
        if sig == signal.SIGKILL:
            self._stop([process])

    def process(self, name: str) -> StackProcess:
        """Return what is known of one service.

        Raises:
            StackError: no stack is up, or there is no such service in it.
        """
        known = {process.service: process for process in self.processes}
        if not known:
            raise StackError("no stack is up: `make up` starts it")
        if name not in known:
            raise StackError(f"there is no service {name!r}; there are {', '.join(known)}")
        return known[name]

    def _is_running(self) -> bool:
        recorded = self._recorded()
        dead = [p.service for p in recorded if processes.find(p.pid, p.create_time) is None]
        complete = {process.service for process in recorded} >= set(self._names)
        if not complete or len(dead) == len(recorded):
            return False
        if dead:
            advice = ", ".join(f"`make redeploy service={name}`" for name in dead)
            raise StackError(f"the stack is up, but not all of it runs: {advice}, or `make down` first")
        return True

    def _after_broker(self, foundation: Foundation, environment: Mapping[str, str]) -> None:
        if foundation.keeps_records:
            self._progress.say("the broker kept its topics: nothing was lost")
            return
        self._progress.say("the broker keeps topics in memory: they were lost; making them anew")
        apply_contracts_and_topics(self.root, environment)

    def _start_all(self, foundation: Foundation, addresses: Mapping[str, Address]) -> None:
        chosen = {name: addresses[name] for name in self._names}
        ensure_free(chosen)
        settings = {
            STACK_VARIABLE: foundation.name,
            **shared_settings(self.root, self.run_dir, addresses),
            **foundation.settings(addresses[BROKER], addresses[REGISTRY]),
            **self._extra_env,
        }
        environment = {**os.environ, **settings}
        self._make_stores(foundation)
        self._write_env_file(settings)
        self._start_together(foundation, FOUNDATION, environment, settings)
        apply_contracts_and_topics(self.root, environment, self._names)
        self._start_together(foundation, APPLICATIONS, environment, settings)

    def _start_together(
        self,
        foundation: Foundation,
        services: Sequence[Service],
        environment: Mapping[str, str],
        settings: Mapping[str, str],
    ) -> None:
        wanted = [service for service in services if service.name in self._names]
        for service in wanted:
            self._record(self._started(foundation, service, environment, settings))
        if wanted:
            self._await_ready([service.name for service in wanted])

    def _started(
        self,
        foundation: Foundation,
        service: Service,
        environment: Mapping[str, str],
        settings: Mapping[str, str],
    ) -> StackProcess:
        launch = foundation.launch if service in FOUNDATION else application_launch
        how = launch(service, settings)
        marks = {processes.STACK_MARK: str(self.run_dir), processes.SERVICE_MARK: service.name}
        own = {**environment, **settings, **how.environment, **marks}
        child = processes.start(how.command, own, self.root, log_path(self.run_dir, service.name))
        self._children.append(child)
        address = Address.of(service, settings)
        return StackProcess(
            service=service.name,
            pid=child.pid,
            create_time=processes.create_time(child.pid),
            address=how.address,
            host=address.host,
            port=address.port,
            readyz=how.readyz,
            environment=settings,
        )

    def _record(self, process: StackProcess) -> None:
        others = self._recorded()
        if process.service not in {other.service for other in others}:
            write_stack(self.run_dir, [*others, process])
            return
        write_stack(self.run_dir, [process if o.service == process.service else o for o in others])

    def _recorded(self) -> list[StackProcess]:
        """Read ``stack.json``; where it can't be read, the marks in the processes are what is left."""
        try:
            return self.processes
        except ConfigurationError:
            return []

    def _await_ready(self, names: Collection[str]) -> None:
        awaited = [process for process in self.processes if process.service in names]
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

    def _not_started(self, process: StackProcess, what: str) -> StackError:
        log = log_path(self.run_dir, process.service)
        lines = "\n".join(f"  | {line}" for line in tail(log, 20))
        return StackError(f"{process.service} {what}; the end of {log}:\n{lines}")

    def _stop_all(self) -> list[str]:
        found = self._found()
        applications = [name for name in found if name not in {BROKER, REGISTRY}]
        for group in (applications, [REGISTRY], [BROKER]):
            self._stop([p for name in group for p in found.get(name, [])])
        for file in (STACK_FILE, "env"):
            (self.run_dir / file).unlink(missing_ok=True)
        return list(found)

    def _stop(self, running: Sequence[psutil.Process]) -> None:
        processes.stop(running, _STOP_PATIENCE_S)
        # Who started a process has to take note of its end, or the system keeps its id.
        self._children = [child for child in self._children if child.poll() is None]

    def _found(self, names: Collection[str] | None = None) -> dict[str, list[psutil.Process]]:
        """Find what runs, by what was recorded and by the marks in the processes' environments."""
        recorded = [(p.service, processes.find(p.pid, p.create_time)) for p in self._recorded()]
        found: dict[str, list[psutil.Process]] = {}
        for name, process in [*recorded, *processes.marked(self.run_dir)]:
            if process is not None and (names is None or name in names):
                same = found.setdefault(name, [])
                same.extend([] if process in same else [process])
        return found

    def _choose_addresses(self) -> dict[str, Address]:
        ports = free_ports(SERVICES) if self._ports == "free" else self._ports
        return chosen_addresses(os.environ, ports)

    def _foundation_in_use(self) -> Foundation:
        return foundation_of(self._settings_in_use().get(STACK_VARIABLE, DEFAULT_STACK), self.root)

    def _settings_in_use(self) -> dict[str, str]:
        return dict(next((process.environment for process in self.processes), self._extra_env))

    def _environment_in_use(self) -> dict[str, str]:
        """Return the whole environment that the stack was started with.

        ``stack.json`` has no secrets, so it is read from a process that still runs, where there is one.
        """
        for recorded in self.processes:
            process = processes.find(recorded.pid, recorded.create_time)
            if process is not None and (environment := processes.environment_of(process)):
                return environment
        return self.env

    def _make_stores(self, foundation: Foundation) -> None:
        """Empty the stores, unless the topics that they go with are still there.

        What the stores of an agent or of the console say is true only beside the broker's own.
        """
        kept_with = self.run_dir / "data" / "kept-with"
        if not (foundation.keeps_records and _text_of(kept_with) == foundation.name):
            self._progress.say("this stack starts empty: topics and stores of an earlier run are removed")
            for folder in ("data", "logs"):
                shutil.rmtree(self.run_dir / folder, ignore_errors=True)
        for folder in ("data", "logs"):
            (self.run_dir / folder).mkdir(exist_ok=True)
        kept_with.write_text(foundation.name)

    def _write_env_file(self, settings: Mapping[str, str]) -> None:
        lines = [f"export {name}={shlex.quote(value)}" for name, value in sorted(settings.items())]
        (self.run_dir / "env").write_text("\n".join(lines) + "\n")


def _text_of(path: Path) -> str:
    return path.read_text() if path.exists() else ""
