"""Which kind of stack a command is about: processes, or containers."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from local_stack.foundation import STACK_VARIABLE
from local_stack.plugins import STACKS, plugin
from local_stack.progress import Progress
from local_stack.stack import Stack
from local_stack.state import StackProcess, pid_of, read_stack
from signalbox.protocol.errors import ConfigurationError

COMPOSE: Final = "compose"


class AnyStack(Protocol):
    """What every stack can do, whatever it consists of."""

    root: Path
    run_dir: Path

    @property
    def addresses(self) -> dict[str, str]:
        """Where each service is reached."""
        ...

    @property
    def env(self) -> dict[str, str]:
        """The environment in which commands work with this stack."""
        ...

    def up(self) -> bool:
        """Start everything; False when it was running already."""
        ...

    def down(self) -> list[str]:
        """Stop everything; returns the names of what was stopped."""
        ...

    def redeploy(self, name: str, environment: Mapping[str, str] | None = None) -> None:
        """Redeploy one service; ``environment`` is set for it from now on."""
        ...

    def process(self, name: str) -> StackProcess:
        """Return what is known of one service."""
        ...


@runtime_checkable
class KeepsOwnLogs(Protocol):
    """A stack whose logs are not files of its folder."""

    def show_logs(self, service: str, lines: int, *, follow: bool) -> int:
        """Print one service's log, or all; returns an exit status."""
        ...


def stack_of(root: Path, run_dir: Path, progress: Progress) -> AnyStack:
    """Return the stack that is up in ``run_dir``; when none is, the one that ``STACK`` names."""
    if _kind(run_dir) != COMPOSE:
        return Stack(root, run_dir, progress=progress)
    containers: AnyStack = plugin(STACKS, COMPOSE)(root, run_dir, progress=progress)
    return containers


def _kind(run_dir: Path) -> str:
    return next(_kinds_that_run(run_dir), os.environ.get(STACK_VARIABLE, ""))


def _kinds_that_run(run_dir: Path) -> Iterator[str]:
    with suppress(ConfigurationError):  # of a file that can't be read; `down` finds processes by their marks
        for process in read_stack(run_dir):
            if process.container or pid_of(process):
                yield process.environment.get(STACK_VARIABLE, "")
