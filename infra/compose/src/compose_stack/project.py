"""One Compose project: the containers of ``infra/compose/compose.yaml`` with this stack's settings."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from compose_stack.engine import docker, show

_FILE: Final = "infra/compose/compose.yaml"
_EVERY_PROFILE: Final = ("--profile", "*")
_VARIABLE: Final = re.compile(r"\$\{([A-Z_]+)|^ +([A-Z_]+):$", re.MULTILINE)
"""What the file takes from the environment: ``${NAME…}``, and ``NAME:`` with no value, which is passed on."""
_OF_COMPOSE: Final = ("COMPOSE_PROJECT_NAME", "COMPOSE_PROFILES")


@dataclass(frozen=True, slots=True)
class Container:
    """A container as the engine knows it. ``image`` is the id of the image that it was made from."""

    name: str
    running: bool
    restarts: int
    image: str
    status: str


class Project:
    """``docker compose`` with one stack's settings; ``images`` says what runs where it is not the usual."""

    def __init__(self, root: Path, settings: Mapping[str, str], images: Mapping[str, str]) -> None:
        self._root = root
        # What the stack was started with counts, not what happens to be set now.
        others = {name: value for name, value in os.environ.items() if name not in variables(root)}
        chosen = {f"{service.upper()}_IMAGE": image for service, image in images.items()}
        self._environment = {**others, **settings, **chosen}

    def name(self) -> str:
        """Return the project's name, which its containers' names begin with."""
        return str(self._configuration()["name"])

    def ports(self) -> dict[str, int]:
        """Return the port of this machine at which each service is reached."""
        services = self._configuration()["services"]
        return {name: int(one["ports"][0]["published"]) for name, one in services.items() if "ports" in one}

    def services(self) -> list[str]:
        """Return the services of the profiles that ``COMPOSE_PROFILES`` chooses."""
        return self._compose("config", "--services").split()

    def start(self, *services: str) -> None:
        """Start services with what they depend on, and wait for those as far as the file says."""
        self._compose("up", "--detach", "--quiet-pull", *services)

    def start_alone(self, *services: str, recreate: bool = False) -> None:
        """Start services and nothing else; ``recreate`` replaces a container though nothing of it changed."""
        options = ["--force-recreate"] if recreate else []
        self._compose("up", "--detach", "--no-deps", "--quiet-pull", *options, *services)

    def wait_for_end(self, service: str) -> bool:
        """Wait until a job has ended; False when it failed."""
        container = self.container(service)
        return container is not None and docker("wait", container.name) == "0"

    def down(self, *, volumes: bool = False) -> None:
        """Remove all containers and the network, whatever profile they are of; volumes only when told to."""
        options = ["--remove-orphans", *(["--volumes"] if volumes else [])]
        self._compose(*_EVERY_PROFILE, "down", *options)

    def containers(self) -> dict[str, str]:
        """Return the names of the containers that there are, running or not, by their service."""
        lines = self._compose(
            *_EVERY_PROFILE, "ps", "--all", "--format", "{{.Service}} {{.Name}}"
        ).splitlines()
        return dict(line.split(maxsplit=1) for line in lines)

    def container(self, service: str) -> Container | None:
        """Return what is known of a service's container; None when there is none."""
        name = self.containers().get(service)
        return None if name is None else inspected(name)

    def last_lines(self, service: str, count: int) -> str:
        """Return the end of a service's log."""
        return self._compose("logs", "--no-color", "--no-log-prefix", "--tail", str(count), service)

    def show_logs(self, services: Sequence[str], count: int, *, follow: bool) -> int:
        """Print logs, each line with its service's name unless only one was asked for."""
        options = ["--tail", str(count), *(["--follow"] if follow else [])]
        plain = ["--no-log-prefix"] if len(services) == 1 else []
        return show(
            "compose", "--file", _FILE, "logs", *options, *plain, *services,
            root=self._root, environment=self._environment,
        )  # fmt: skip

    def _configuration(self) -> dict[str, Any]:
        configuration: dict[str, Any] = json.loads(self._compose("config", "--format", "json"))
        return configuration

    def _compose(self, *words: str) -> str:
        return docker(
            "compose",
            "--progress=quiet",
            "--file",
            _FILE,
            *words,
            root=self._root,
            environment=self._environment,
        )


def variables(root: Path) -> frozenset[str]:
    """Return the names of the environment that the file, or Compose itself, reads."""
    found = _VARIABLE.findall((root / _FILE).read_text())
    return frozenset(name for pair in found for name in pair if name).union(_OF_COMPOSE)


def inspected(container: str) -> Container:
    """Ask the engine about a container."""
    found = json.loads(docker("container", "inspect", container))[0]
    state = found["State"]
    return Container(
        name=found["Name"].lstrip("/"),
        running=bool(state["Running"]) and not state["Restarting"],
        restarts=int(found["RestartCount"]),
        image=str(found["Image"]),
        status=str(state["Status"]),
    )
