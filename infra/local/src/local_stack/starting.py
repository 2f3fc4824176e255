"""Starting services in their order: brokers and registry, topics and contracts, then the rest."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from local_stack.foundation import STACK_VARIABLE, Foundation, Launch, application_launch
from local_stack.governance import apply_contracts_and_topics, await_replicas
from local_stack.grants import GRANTS_FILE, write_grants
from local_stack.instances import COUNT_VARIABLES, kind_of
from local_stack.ports import ensure_free
from local_stack.progress import Progress
from local_stack.running import Running
from local_stack.services import BROKER, REGISTRY, Address, Service, shared_settings
from local_stack.stores import make_stores, write_environment_file

OPERATOR: Final = "operator"
DEPLOYER: Final = "deployer"
"""Roles of the catalog's clients: people with the command, and what makes topics and contracts."""


class Starting:
    """Starts services of the stack in ``run_dir`` on a foundation."""

    def __init__(
        self, root: Path, run_dir: Path, foundation: Foundation, running: Running, progress: Progress
    ) -> None:
        self._root = root
        self._run_dir = run_dir
        self._foundation = foundation
        self._running = running
        self._progress = progress

    def all_of(
        self,
        wanted: Sequence[Service],
        everything: Sequence[Service],
        addresses: Mapping[str, Address],
        extra_env: Mapping[str, str],
    ) -> None:
        """Start ``wanted``, of a stack that consists of ``everything``, and wait until it is ready.

        Raises:
            ConfigurationError: a port is taken, or the data is another stack's.
            StackError: something did not become ready.
        """
        ensure_free({service.name: addresses[service.name] for service in wanted})
        settings = self._settings(everything, addresses) | dict(extra_env)
        environment = {**os.environ, **settings}
        brokers = int(settings[COUNT_VARIABLES[BROKER]])
        kept = self._foundation.keeps_records
        make_stores(self._run_dir, self._progress, self._foundation.name, brokers, kept=kept)
        operator = self._foundation.identity(OPERATOR, settings)
        write_environment_file(self._run_dir, {**settings, **operator})
        base = [service for service in wanted if service.kind in {BROKER, REGISTRY}]
        self.together(base, environment, settings)
        if any(service.kind == BROKER for service in base):
            self._foundation.admit(self._root, environment, settings)
        pipeline = {**environment, **self._foundation.identity(DEPLOYER, settings)}
        grants = write_grants(self._run_dir, wanted, addresses, environment)
        apply_contracts_and_topics(self._root, pipeline, {service.kind for service in base}, grants)
        self.together([service for service in wanted if service not in base], environment, settings)

    def one(self, service: Service, environment: Mapping[str, str], settings: Mapping[str, str]) -> None:
        """Start one service beside those that run; a broker is waited for until it has what the others have.

        Raises:
            ConfigurationError: its port is taken.
            StackError: it did not become ready.
        """
        ensure_free({service.name: Address.of(service, settings)})
        self.together([service], environment, settings)
        if service.kind == BROKER:
            self._after_broker({**environment, **self._foundation.identity(DEPLOYER, settings)})

    def together(
        self, services: Sequence[Service], environment: Mapping[str, str], settings: Mapping[str, str]
    ) -> None:
        """Start services at the same time, and wait until all are ready."""
        launches = [(service, self._launch(service, settings)) for service in services]
        for service, launch in launches:
            self._running.start(service, launch, environment, settings)
        if services:
            self._running.await_ready([service.name for service in services])

    def _settings(self, everything: Sequence[Service], addresses: Mapping[str, Address]) -> dict[str, str]:
        counts = {
            variable: str(sum(service.kind == kind for service in everything))
            for kind, variable in COUNT_VARIABLES.items()
        }
        brokers = [addresses[service.name] for service in everything if service.kind == BROKER]
        return {
            STACK_VARIABLE: self._foundation.name,
            **counts,
            **shared_settings(self._root, self._run_dir, everything, addresses),
            **self._foundation.settings(brokers, addresses[REGISTRY]),
        }

    def _launch(self, service: Service, settings: Mapping[str, str]) -> Launch:
        if service.kind in {BROKER, REGISTRY}:
            return self._foundation.launch(service, settings)
        launch = application_launch(service, settings)
        own = self._foundation.identity(service.kind, settings)
        return replace(launch, environment={**launch.environment, **own})

    def _after_broker(self, pipeline: Mapping[str, str]) -> None:
        if not self._foundation.keeps_records:
            self._progress.say("the broker keeps topics in memory: they were lost; making them again")
            apply_contracts_and_topics(self._root, pipeline, grants=self._run_dir / GRANTS_FILE)
            return
        self._progress.say("the broker kept its topics: nothing was lost")
        if dead := [name for name in self._running.dead() if kind_of(name) == BROKER]:
            self._progress.say(f"not all replicas can be in sync: {', '.join(dead)} does not run")
        else:
            self._progress.say(await_replicas(self._root, pipeline) or "all replicas are in sync")
