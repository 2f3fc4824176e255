"""Small stacks: broker and registry, or the broker alone, each in a folder and on ports of its own."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from local_stack import Stack
from local_stack.ports import free_ports
from local_stack.services import SERVICES

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def make_stack(root: Path, tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """Make a stack in the test's own folder; it is stopped afterwards, whatever the test did to it."""
    with ExitStack() as afterwards:

        def make(
            *services: str,
            extra_env: Mapping[str, str] | None = None,
            instances: Mapping[str, int] | None = None,
        ) -> Stack:
            stack = Stack(
                root,
                tmp_path / "run",
                ports="free",
                services=services,
                extra_env=extra_env,
                instances=instances,
            )
            afterwards.callback(stack.down)
            return stack

        yield make


@pytest.fixture
def free_environment(tmp_path: Path) -> dict[str, str]:
    """An environment in which the command works in the test's own folder, on free ports."""
    ports = {SERVICES[name].port_variable: str(port) for name, port in free_ports(SERVICES).items()}
    return {**os.environ, **ports, "RUN_DIR": str(tmp_path / "run")}


@pytest.fixture
def run_command(root: Path) -> Command:
    """Run ``python -m local_stack``."""

    def run(environment: Mapping[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "local_stack", *words],
            cwd=root,
            env=dict(environment),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run
