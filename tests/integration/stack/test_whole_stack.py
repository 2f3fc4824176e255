import http.client
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from local_stack import Stack
from local_stack.services import APPLICATIONS, SERVICES

RunCommand = Callable[..., "subprocess.CompletedProcess[str]"]


def pids(stack: Stack) -> dict[str, int]:
    return {process.service: process.pid for process in stack.processes}


def test_every_service_is_ready_and_listed_by_the_command_signalbox(stack: Stack) -> None:
    command = [str(Path(sys.executable).with_name("signalbox")), "status", "--json"]
    answer = subprocess.run(command, env=stack.env, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    processes = json.loads(answer.stdout)
    assert {process["service"] for process in processes} == set(SERVICES)
    assert all(process["ready"] and process["pid"] for process in processes)


def test_every_file_of_a_stack_is_its_users_alone(stack: Stack) -> None:
    modes = {path: path.lstat().st_mode for path in stack.run_dir.rglob("*") if not path.is_symlink()}
    open_to_others = {str(path): oct(mode) for path, mode in modes.items() if mode & 0o077}
    assert not open_to_others
    assert any(path.suffix == ".db" for path in modes)


@pytest.mark.parametrize("service", [service.name for service in APPLICATIONS])
def test_every_process_answers_to_its_own_host_and_to_head(stack: Stack, service: str) -> None:
    address = urlsplit(stack.addresses[service])
    asked = {"127.0.0.1": 200, "rebound.evil.example": 421}
    for method, path in (("GET", "/no-such-path"), ("HEAD", "/no-such-path"), ("HEAD", "/readyz")):
        for host, status in asked.items():
            connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=5)
            connection.request(method, path, headers={"Host": host})
            wanted = 404 if (host, path) == ("127.0.0.1", "/no-such-path") else status
            assert connection.getresponse().status == (200 if path == "/readyz" else wanted), (method, host)
            connection.close()


@pytest.mark.parametrize("service", [service.name for service in APPLICATIONS])
def test_every_process_answers_to_the_three_health_paths(stack: Stack, service: str) -> None:
    address = urlsplit(stack.addresses[service])
    for path in ("/healthz", "/readyz", "/metrics"):
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=5)
        connection.request("GET", path)
        assert connection.getresponse().status == 200, path
        connection.close()


@pytest.mark.parametrize("service", ["lead_scoring", "orchestrator"])
def test_redeploy_replaces_one_process_and_leaves_the_others(
    stack: Stack, run_command: RunCommand, service: str
) -> None:
    before = pids(stack)
    answer = run_command(stack.env, "redeploy", service)
    assert answer.returncode == 0, answer.stderr
    after = pids(stack)
    assert {name for name in SERVICES if before[name] != after[name]} == {service}


def test_up_while_it_runs_says_so_and_shows_the_addresses(stack: Stack, run_command: RunCommand) -> None:
    answer = run_command(stack.env, "up")
    assert answer.returncode == 0, answer.stderr
    assert "already running" in answer.stdout
    assert all(address in answer.stdout for address in stack.addresses.values())
