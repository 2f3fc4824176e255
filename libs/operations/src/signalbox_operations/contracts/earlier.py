"""Where the earlier versions of a contract come from: a git commit, or the registry."""

import subprocess
from pathlib import Path
from typing import Protocol

from signalbox.catalog import Catalog
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import RecordType, Subject
from signalbox_operations.contracts.fleet import Fleet, fleet_unless_away, schemas_by_id
from signalbox_operations.contracts.generation import schema_file
from signalbox_operations.contracts.registry_api import RegistryApi
from signalbox_operations.contracts.verdict import Version


class Earlier(Protocol):
    """Gives the earlier versions of a record type, oldest first."""

    def versions(self, record_type: RecordType) -> list[Version]: ...

    def fleet(self) -> Fleet | None:
        """Return who runs with these versions; None where that is not known."""


class InRegistry:
    """All live versions of the record type's subject."""

    def __init__(self, registry: RegistryApi) -> None:
        self._registry = registry

    def versions(self, record_type: RecordType) -> list[Version]:
        return [
            Version(f"version {registered.version}", registered.text, registered.version)
            for registered in self._registry.versions(Subject(record_type))
        ]

    def fleet(self) -> Fleet | None:
        """Read the agents' announcements; None when the broker of the environment can't be reached."""
        fleet, _ = fleet_unless_away(schemas_by_id(self._registry))
        return fleet


class InGit:
    """The one version that a commit, branch or tag holds.

    Raises:
        ConfigurationError: git does not know ``ref``, or the catalog is in no git repository.
    """

    def __init__(self, ref: str, catalog: Catalog) -> None:
        self._catalog = catalog
        self._root = Path(_git(catalog.directory, "rev-parse", "--show-toplevel").strip())
        self._commit = _commit(self._root, ref)
        self._label = f"git {ref}"

    def versions(self, record_type: RecordType) -> list[Version]:
        path = schema_file(self._catalog, record_type).resolve().relative_to(self._root.resolve()).as_posix()
        if not _git(self._root, "ls-tree", "--name-only", self._commit, "--", path).strip():
            return []
        return [Version(self._label, _git(self._root, "show", f"{self._commit}:{path}"))]

    def fleet(self) -> Fleet | None:
        """Return None: a commit does not say who runs."""
        return None


def _commit(root: Path, ref: str) -> str:
    try:
        return _git(root, "rev-parse", "--verify", "--end-of-options", f"{ref}^{{commit}}").strip()
    except ConfigurationError as error:
        raise ConfigurationError(f"git knows no commit {ref!r} in {root}") from error


def _git(directory: Path, *arguments: str) -> str:
    command = ["git", "-C", str(directory), *arguments]
    try:
        return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout
    except FileNotFoundError as error:
        raise ConfigurationError("comparing with git needs the command git") from error
    except subprocess.CalledProcessError as error:
        raise ConfigurationError(f"git {' '.join(arguments)}: {error.stderr.strip()}") from error
