"""Which services a change affects: their own folder, a contract that they use, or what all of them have."""

import json
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from local_stack.services import APPLICATIONS
from signalbox.catalog import Catalog
from signalbox.protocol.errors import ConfigurationError
from signalbox_operations.contracts.built import built
from stack_release.sources import CONTRACTS, Sources

_EVERYBODYS: Final = (
    "constraints.txt",
    "pyproject.toml",  # how tests are run
    "tests/conftest.py",
    "tests/support/",
    "contracts/catalog.yaml",
    "contracts/pyproject.toml",
)
_CONTRACT_SOURCES: Final = PurePosixPath("contracts/avro")


def changed_files(root: Path, since: str) -> list[str]:
    """List what differs from the commit where this branch left ``since``; uncommitted and new files, too.

    Raises:
        ConfigurationError: there is no such commit, or this is no Git repository.
    """
    began = _git(root, "merge-base", since, "HEAD")
    changed = _git(root, "diff", "--name-only", "--no-renames", began)
    new = _git(root, "ls-files", "--others", "--exclude-standard")
    return sorted({*changed.splitlines(), *new.splitlines()})


def affected(sources: Sources, files: Iterable[str]) -> dict[str, list[str]]:
    """Return each service that is affected, with the files that are why."""
    catalog = Catalog.load(sources.root / "contracts" / "catalog.yaml")
    services = [application.kind for application in APPLICATIONS]
    contracts = {service: _contracts_of(service, catalog) for service in services}
    because = {
        service: [file for file in files if _concerns(file, service, sources, contracts[service])]
        for service in services
    }
    return {service: why for service, why in because.items() if why}


def _concerns(file: str, service: str, sources: Sources, contracts: frozenset[str]) -> bool:
    parts = [part for part in sources.distributions(service) if part != CONTRACTS]
    own = (*(f"{part}/" for part in parts), f"{sources.tests(service)}/")
    path = PurePosixPath(file)
    if path.is_relative_to(_CONTRACT_SOURCES) and path.suffix == ".avsc":
        # The generated models and schemas follow from these, and CI holds them against each other.
        return ".".join(path.relative_to(_CONTRACT_SOURCES).with_suffix("").parts) in contracts
    return file.startswith((*own, *_EVERYBODYS))


def _contracts_of(service: str, catalog: Catalog) -> frozenset[str]:
    """Return the record types that a service reads and writes, and those that are part of them."""
    texts = built(service, catalog).texts
    return frozenset(name for text in texts.values() for name in _names(json.loads(text), ""))


def _names(schema: Any, namespace: str) -> Iterable[str]:
    if isinstance(schema, list):
        for branch in schema:
            yield from _names(branch, namespace)
    elif isinstance(schema, Mapping):
        namespace = schema.get("namespace", namespace)
        if "name" in schema and schema.get("type") in {"record", "enum", "fixed"}:
            yield schema["name"] if "." in schema["name"] else f"{namespace}.{schema['name']}"
        for field in schema.get("fields", ()):
            yield from _names(field["type"], namespace)
        for part in ("type", "items", "values"):
            if not isinstance(schema.get(part), str):
                yield from _names(schema.get(part), namespace)


def _git(root: Path, *words: str) -> str:
    try:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise ConfigurationError("git is not there: it says which files have changed") from error
    except subprocess.CalledProcessError as error:
        raise ConfigurationError(f"`git {' '.join(words)}`: {error.stderr.strip()}") from error
    return done.stdout.strip()
