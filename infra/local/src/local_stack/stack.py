"""The stack as a whole: up, down, one service redeployed, and an orchestrator more or fewer."""

import os
import signal
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, Self

from local_stack import processes
from local_stack.foundation import (
    DEFAULT_STACK,
    PYTHON_VARIABLE,
    STACK_VARIABLE,
    Foundation,
    foundation_of,
)
from local_stack.governance import apply_grants, ask_can_i_deploy
from local_stack.grants import renew_grant
from local_stack.instances import all_services, counts_of, kind_of, service_named
from local_stack.lock import exclusive
from local_stack.needed import require_needed
from local_stack.ports import chosen_addresses, free_ports, is_taken
from local_stack.progress import Progress
from local_stack.recorded import RecordedStack
from local_stack.running import Running, StackError
from local_stack.services import BROKER, ORCHESTRATOR, REGISTRY, Address, Service
from local_stack.starting import DEPLOYER, OPERATOR, Starting
from local_stack.stores import ENVIRONMENT_FILE
from signalbox.protocol.errors import ConfigurationError, SignalboxError

_LOCK_PATIENCE_S: Final = 120.0
_FREE_PORT_ATTEMPTS: Final = 3


class Stack(RecordedStack):
    """The processes of one stack, known by its folder ``run_dir``; another process may have started them.

    As a context manager it is up inside the block, and down after it.

    ``kind`` is the broker and registry to start, ``STACK`` of the environment by default; a stack that is up
    keeps its own. ``ports`` moves services by name; ``"free"`` finds free ones. ``services`` is a subset to
    start. ``extra_env`` is added to every process's settings. ``instances`` says how many brokers and
    orchestrators there are, ``BROKERS`` and ``ORCHESTRATORS`` by default: the second is ``broker_2``.
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
        instances: Mapping[str, int] | None = None,
        progress: Progress | None = None,
    ) -> None:
        super().__init__(run_dir)
        self.root = root.resolve()
        self._kind = kind or os.environ.get(STACK_VARIABLE) or DEFAULT_STACK
        self._ports = ports or {}
        self._extra_env = dict(extra_env or {})
        self._subset = services
        self._instances = instances
        self._progress = progress or Progress(quiet=True)
        if self.root.is_relative_to(self.run_dir) or Path.home().is_relative_to(self.run_dir):
            raise ConfigurationError(f"RUN_DIR is {self.run_dir}, expected a folder of the stack's own")
        self._running = Running(self.root, self.run_dir, self._progress)

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    @property
    def env(self) -> dict[str, str]:
        """The environment in which an operator's commands work with this stack."""
        return self.env_of(OPERATOR)

    def env_of(self, client: str) -> dict[str, str]:
        """Return the environment in which a client of the catalog, service or role, works with this stack."""
        settings = self._settings_in_use()
        return {**os.environ, **settings, **self._foundation_in_use().identity(client, settings)}

    def up(self) -> bool:
        """Start everything and wait until it is ready; False when it was running already.

        Raises:
            ConfigurationError: a port is taken, or another command is at work.
            StackError: something did not become ready; what was started is stopped again.
        """
        with exclusive(self.run_dir, "up"):
            counts = counts_of(os.environ, self._instances)
            everything = all_services(counts)
            wanted = [service for service in everything if self._wants(service)]
            if self._is_running(wanted):
                return False
            foundation = foundation_of(self._kind, self.root)
            foundation.prepare(self._progress, counts[BROKER])
            starting = Starting(self.root, self.run_dir, foundation, self._running, self._progress)
            if self._stop_all():
                self._progress.say("stopped what an earlier start left behind")
            for attempt in range(1, _FREE_PORT_ATTEMPTS + 1):
                addresses = self._choose_addresses(everything)
                try:
                    starting.all_of(wanted, everything, addresses, self._extra_env)
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

    def redeploy(
        self, name: str, environment: Mapping[str, str] | None = None, *, asking: bool = True
    ) -> None:
        """Stop one service, start it again as it was, and wait until it is ready.

        ``environment`` is set for this service alone, from now on: `can-i-deploy` is asked with it, too.
        Without ``asking`` it is not, nor whether broker and registry answer: to go back must always be
        possible.
        A broker among several is waited for until it has every record that the others have.

        Raises:
            CommandFailed: it may not be deployed; it was not touched.
            NeededAway: it could not start again, since broker or registry are away; it was not touched.
            StackError: there is no such service, or it did not become ready.
        """
        with exclusive(self.run_dir, f"redeploy {name}", patience_s=_LOCK_PATIENCE_S):
            old = self.process(name)
            shared = self._environment_in_use()
            own = {**old.environment, **(environment or {})}
            service = service_named(name)
            if asking and service.kind not in {BROKER, REGISTRY}:
                require_needed(name, self.processes)
                pipeline = self._foundation_in_use().identity(DEPLOYER, own)
                warning = ask_can_i_deploy(service.kind, self.root, {**shared, **own, **pipeline})
                self._progress.say(warning or f"{service.kind} may be deployed")
                self._renew_grant(service, {**shared, **own, **pipeline})
            self._progress.say(f"stopping {name}")
            self._running.stop(name)
            try:
                self._starting().one(service, shared, own)
            except SignalboxError as error:
                if not environment:
                    raise
                self._running.stop(name)
                self._starting().one(service, shared, old.environment)
                raise StackError(f"{error}\n{name} runs again, with the settings of before") from error

    def _renew_grant(self, service: Service, settings: Mapping[str, str]) -> None:
        why = f"redeploy {service.kind}"
        if renew_grant(
            self.run_dir, service.kind, settings, lambda path: apply_grants(self.root, settings, path, why)
        ):
            self._progress.say(f"{service.kind} was granted what the catalog allows it by now")

    def start_instance(self, name: str) -> None:
        """Add an orchestrator (``orchestrator_3``) to the running stack, and wait until it is ready.

        Raises:
            StackError: no stack is up, it has one of this name, there can't be one, or it does not get ready.
        """
        with exclusive(self.run_dir, f"start {name}", patience_s=_LOCK_PATIENCE_S):
            service = self._orchestrator(name)
            known = self.addresses
            if not known:
                raise StackError(self.nothing_up)
            if name in known:
                raise StackError(f"{name} is there already: `make redeploy service={name}` starts it again")
            shared, settings = self._environment_in_use(), self._settings_in_use()
            addresses = self._choose_addresses([service])
            self._starting().one(service, shared, {**settings, **addresses[name].settings_for(service)})

    def stop_instance(self, name: str) -> None:
        """Take an orchestrator out of the running stack: it stops in order, and is not listed any more.

        Raises:
            StackError: there is no orchestrator of this name.
        """
        with exclusive(self.run_dir, f"stop {name}", patience_s=_LOCK_PATIENCE_S):
            self._orchestrator(name)
            self.process(name)
            self._running.stop(name)
            self._running.forget(name)

    def kill(self, name: str, sig: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to one service; after SIGKILL, return when it is gone."""
        recorded = self.process(name)
        process = processes.find(recorded.pid, recorded.create_time)
        if process is None:
            raise StackError(f"{name} is not running")
        process.send_signal(sig)
        if sig == signal.SIGKILL:
            self._running.end([process])

    def _wants(self, service: Service) -> bool:
        return self._subset is None or service.kind in self._subset or service.name in self._subset

    def _is_running(self, wanted: Sequence[Service]) -> bool:
        recorded = {process.service for process in self._running.recorded()}
        dead = self._running.dead()
        missing = [service for service in wanted if service.name not in recorded]
        if any(service.number == 1 for service in missing) or len(dead) == len(recorded):
            return False
        if dead:
            advice = ", ".join(f"`make redeploy service={name}`" for name in dead)
            raise StackError(f"the stack is up, but not all of it runs: {advice}, or `make down` first")
        if missing:
            names = ", ".join(service.name for service in missing)
            raise StackError(f"the stack is up without {names}: `make down` first")
        return True

    def _stop_all(self) -> list[str]:
        stopped = self._running.stop_all()
        (self.run_dir / ENVIRONMENT_FILE).unlink(missing_ok=True)
        return stopped

    def _choose_addresses(self, services: Sequence[Service]) -> dict[str, Address]:
        names = [service.name for service in services]
        ports = free_ports(names) if self._ports == "free" else self._ports
        return chosen_addresses(os.environ, ports, services)

    def _orchestrator(self, name: str) -> Service:
        if kind_of(name) != ORCHESTRATOR:
            raise StackError(f"only orchestrators are added and removed while the stack runs, not {name!r}")
        return service_named(name)

    def _starting(self) -> Starting:
        return Starting(self.root, self.run_dir, self._foundation_in_use(), self._running, self._progress)

    def _foundation_in_use(self) -> Foundation:
        return foundation_of(self._settings_in_use().get(STACK_VARIABLE, DEFAULT_STACK), self.root)

    def _settings_in_use(self) -> dict[str, str]:
        return dict(next((process.environment for process in self.processes), self._extra_env))

    def _environment_in_use(self) -> dict[str, str]:
        environment = self._running.environment() or self.env
        # A released service has a Python of its own; the process that was asked may be one.
        return {name: value for name, value in environment.items() if name != PYTHON_VARIABLE}
