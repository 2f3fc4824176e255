"""Docker, asked by its command: the one place that starts ``docker``."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from signalbox.protocol.errors import ConfigurationError, SignalboxError

_ASK_DEADLINE_S: Final = 30
_NOT_THERE: Final = {
    "docker": "Docker was not found. STACK=compose needs Docker 23 or newer, or 20.10 with the plugin buildx:"
    " https://docs.docker.com/engine/install/",
    "engine": "no Docker engine answers: start it (`systemctl start docker`, or Docker Desktop), or say where"
    " it is with DOCKER_HOST",
    "compose": "Docker has no plugin `compose`: https://docs.docker.com/compose/install/linux/",
    "buildx": "Docker has no plugin `buildx`, which builds images: https://github.com/docker/buildx#installing",
}


class DockerFailed(SignalboxError):
    """Docker did not do what was asked; the text ends with what it said."""


def require_docker() -> None:
    """Check that there is an engine that answers, and the plugins that are needed.

    Raises:
        ConfigurationError: names the first that is missing, and where to get it.
    """
    if shutil.which("docker") is None:
        raise ConfigurationError(_NOT_THERE["docker"])
    for words, what in (
        (["version", "--format", "{{.Server.Version}}"], "engine"),
        (["compose", "version"], "compose"),
        (["buildx", "version"], "buildx"),
    ):
        try:
            done = _docker(words, deadline_s=_ASK_DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise ConfigurationError(_NOT_THERE[what]) from None
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise ConfigurationError(f"{_NOT_THERE[what]}" + (f" ({said[-1]})" if said else ""))


def docker(
    *words: str, root: Path | None = None, environment: Mapping[str, str] | None = None, lines: int = 30
) -> str:
    """Run a command of Docker and return what it printed; ``environment`` is the whole of it.

    Raises:
        DockerFailed: with the last ``lines`` lines of what it said.
        ConfigurationError: there is no command ``docker``.
    """
    done = _docker(words, root=root, environment=environment)
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-lines:])
        raise DockerFailed(f"`docker {shlex.join(words)}` failed with {done.returncode}:\n{said}")
    return done.stdout.strip()


def show(*words: str, root: Path, environment: Mapping[str, str]) -> int:
    """Run a command of Docker before the user's eyes; returns its exit status."""
    return subprocess.run(["docker", *words], cwd=root, env=dict(environment), check=False).returncode


def _docker(
    words: Sequence[str],
    *,
    root: Path | None = None,
    environment: Mapping[str, str] | None = None,
    deadline_s: float | None = None,
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["docker", *words],
            cwd=root,
            env=dict(os.environ if environment is None else environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=deadline_s,
        )
    except FileNotFoundError as error:
        raise ConfigurationError(_NOT_THERE["docker"]) from error
