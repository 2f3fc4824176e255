"""Images: one a service, built from its Dockerfile with the repository's root as the context."""

import os
import shlex
import subprocess
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from compose_stack.engine import docker

CONTRACTS: Final = "contracts"
"""The job that creates topics and registers contracts, and ends."""
CONTRACTS_LABEL: Final = "signalbox.contracts"
"""JSON: the versions of the contracts that a service was built with, as ``reads`` and ``writes``."""
DEVELOPMENT: Final = "dev"
"""The tag of images that are built in passing, by `make up` and `make redeploy`."""

_TOP_LEVEL: Final = frozenset({CONTRACTS, "orchestrator"})


def folder_of(service: str) -> str:
    """Return the folder, from the root, that a service's image is built from."""
    return service if service in _TOP_LEVEL else f"services/{service}"


def repository(service: str) -> str:
    """Return the image's name without a tag; ``IMAGE_PREFIX`` goes in front (``registry.example/team/``)."""
    return f"{os.environ.get('IMAGE_PREFIX', '')}signalbox/{service.replace('_', '-')}"


def reference(service: str, version: str) -> str:
    """Return the image's name with its tag."""
    return f"{repository(service)}:{version}"


def build(root: Path, service: str, version: str, labels: Mapping[str, str] | None = None) -> str:
    """Build a service's image and return its reference.

    ``labels`` are laid over those of the Dockerfile. A ``pip.conf`` that ``PIP_CONFIG_FILE`` names is mounted
    into the build as a secret: it leads to a private package index, and is in no layer. ``BUILD_OPTIONS``
    are further options of ``docker build``.

    Raises:
        DockerFailed: the build fails; the text has its last lines.
    """
    image = reference(service, version)
    arguments = {"VERSION": _version(root, service, version), "REVISION": revision(root)}
    if base := os.environ.get("PYTHON_IMAGE"):
        arguments["PYTHON_IMAGE"] = base
    options = [
        *(f"--build-arg={name}={value}" for name, value in arguments.items()),
        *(f"--label={name}={value}" for name, value in (labels or {}).items()),
        *_pip_configuration(),
        *shlex.split(os.environ.get("BUILD_OPTIONS", "")),
    ]
    file = f"{folder_of(service)}/Dockerfile"
    docker(
        "build", f"--file={file}", f"--tag={image}", *options, ".",
        root=root, environment={**os.environ, "DOCKER_BUILDKIT": "1"},
    )  # fmt: skip
    return image


def push(image: str) -> None:
    """Push an image to its registry.

    Raises:
        DockerFailed: the registry refuses it.
    """
    docker("push", "--quiet", image)


def revision(root: Path) -> str:
    """Return the commit that is checked out, marked ``-dirty`` when files differ; ``unknown`` without git."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=root, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def _version(root: Path, service: str, tag: str) -> str:
    if tag != DEVELOPMENT:
        return tag
    project = tomllib.loads((root / folder_of(service) / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def _pip_configuration() -> list[str]:
    path = os.environ.get("PIP_CONFIG_FILE", "")
    return [f"--secret=id=pip,src={path}"] if path and Path(path).is_file() else []
