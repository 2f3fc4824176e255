"""A killed registry is told wherever contracts are followed, and no healthy service is stopped meanwhile."""

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from local_stack import Stack
from local_stack.processes import find

RunCommand = Callable[..., "subprocess.CompletedProcess[str]"]
FOLLOWING = ("orchestrator", "lead_scoring", "console")


@pytest.fixture(scope="module")
def followed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """What follows contracts, one of each kind, and what these need."""
    with Stack(
        root,
        tmp_path_factory.mktemp("followed"),
        ports="free",
        services=("broker", "registry", *FOLLOWING),
        extra_env={"LLM_MODEL": "offline", "CONTRACT_REFRESH_S": "0.5"},
    ) as stack:
        yield stack


def asked(stack: Stack, name: str, path: str = "/readyz") -> httpx2.Response:
    return httpx2.get(stack.addresses[name] + path, timeout=10).raise_for_status()


def impaired(stack: Stack, name: str) -> list[str]:
    """Return what a process says of its registry; it must be ready whatever it says."""
    answer: dict[str, Any] = asked(stack, name).json()
    return [told for told in answer["impaired"] if told.startswith("registry: ")]


def away_since(stack: Stack, name: str) -> float:
    lines = asked(stack, name, "/metrics").text.splitlines()
    [value] = [line for line in lines if line.startswith("signalbox_registry_away_since_seconds ")]
    return float(value.split()[1])


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def test_a_killed_registry_is_told_and_no_service_is_stopped_until_it_is_back(
    followed: Stack, run_command: RunCommand
) -> None:
    for name in FOLLOWING:
        assert (impaired(followed, name), away_since(followed, name)) == ([], 0)

    killed_at = time.time()
    followed.kill("registry")
    for name in FOLLOWING:
        wait_until(lambda name=name: bool(impaired(followed, name)), f"{name} does not tell")
        assert impaired(followed, name)[0].startswith("registry: away since 20")
        assert killed_at - 1 < away_since(followed, name) < time.time() + 1
    assert "The schema registry is away since 20" in asked(followed, "console", "/").text
    status = run_command(followed.env, "status")
    assert status.stdout.count("ready  impaired: registry: away since 20") == len(FOLLOWING)

    agent = followed.process("lead_scoring")
    refused = run_command(followed.env, "redeploy", "lead_scoring")
    assert refused.returncode == 1
    assert "lead_scoring could not start again, so it is left as it is: registry is away" in refused.stderr
    assert "first `make redeploy service=registry`" in refused.stderr
    assert followed.process("lead_scoring") == agent
    assert find(agent.pid, agent.create_time) is not None

    assert run_command(followed.env, "redeploy", "registry").returncode == 0
    for name in FOLLOWING:
        wait_until(lambda name=name: not impaired(followed, name), f"{name} does not take it back")
        assert away_since(followed, name) == 0
    assert "schema registry is away" not in asked(followed, "console", "/").text
    done = run_command(followed.env, "redeploy", "lead_scoring")
    assert done.returncode == 0, done.stderr
