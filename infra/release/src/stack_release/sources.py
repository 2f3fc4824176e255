"""What a service is built from: its folders, its tests, and the version that these files are."""

import hashlib
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local_stack.distributions import distributions
from local_stack.services import APPLICATIONS, ORCHESTRATOR
from signalbox.protocol.errors import ConfigurationError

CONTRACTS: Final = "contracts"
COMMAND: Final = "libs/cli"
PINS: Final = "constraints.txt"

_DIGITS: Final = 8


@dataclass(frozen=True, slots=True)
class Sources:
    """A checkout, and where in it the parts of each service are."""

    root: Path

    def folder(self, service: str) -> str:
        """Return the folder of a service, from the root.

        Raises:
            ConfigurationError: nothing that is released has this name.
        """
        known = [application.kind for application in APPLICATIONS]
        if service not in known:
            raise ConfigurationError(f"{service!r} can't be released; there are {', '.join(known)}")
        return ORCHESTRATOR if service == ORCHESTRATOR else f"services/{service}"

    def tests(self, service: str) -> str:
        """Return the folder with the tests of a service alone."""
        return f"tests/unit/{service}"

    def distributions(self, service: str) -> tuple[str, ...]:
        """Return the folders that a service is installed from."""
        return tuple(distributions(self.root, self.folder(service)))

    def beside_the_command(self, service: str) -> tuple[str, ...]:
        """Return the folders of a service and of the command, which asks about a release by its own code."""
        return tuple(dict.fromkeys([*self.distributions(service), *distributions(self.root, COMMAND)]))

    def python_path(self, service: str) -> str:
        """Return the ``PYTHONPATH`` by which commands see a service as this checkout has it."""
        folders = dict.fromkeys([CONTRACTS, *self.distributions(service)])
        return os.pathsep.join(str(self.root / folder / "src") for folder in folders)

    def version(self, service: str) -> str:
        """Return a version that no other content has: the project's, the commit, and what differs from it.

        It may be an image's tag, so it has no ``+``: ``0.1.0-4fc28ca01b2c``, ``…-dirty-9f31c2aa``.
        """
        project = tomllib.loads((self.root / self.folder(service) / "pyproject.toml").read_text())["project"]
        parts = [*self.distributions(service), PINS]
        commit = self._git("rev-parse", "--short=12", "HEAD")
        if commit and not self._git("status", "--porcelain", "--untracked-files=all", "--", *parts):
            return f"{project['version']}-{commit}"
        return "-".join(
            [str(project["version"]), *([commit, "dirty"] if commit else []), self._digest(parts)]
        )

    def needs(self, service: str) -> str:
        """Return a short name for what a release needs of others: the same name, the same wheels."""
        projects = [f"{folder}/pyproject.toml" for folder in self.beside_the_command(service)]
        return f"{sys.implementation.cache_tag}-{self._digest([*projects, PINS])}"

    def _git(self, *words: str) -> str:
        try:
            done = subprocess.run(["git", *words], cwd=self.root, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return ""
        return done.stdout.strip()

    def _digest(self, parts: Iterable[str]) -> str:
        digest = hashlib.sha256()
        for part in parts:
            for file in sorted(_files(self.root / part)):
                content = hashlib.sha256(file.read_bytes()).hexdigest()
                digest.update(f"{file.relative_to(self.root)} {content}\n".encode())
        return digest.hexdigest()[:_DIGITS]


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if name != "__pycache__" and not name.endswith(".egg-info")]
        yield from (Path(folder) / name for name in names)
