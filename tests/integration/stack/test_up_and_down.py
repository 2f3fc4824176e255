import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from local_stack import Stack, StackError
from local_stack.lock import exclusive
from local_stack.ports import is_taken
from local_stack.processes import marked
from local_stack.services import SERVICES, Address
from local_stack.state import read_stack, write_stack
from signalbox.protocol.errors import ConfigurationError

MakeStack = Callable[..., Stack]
RunCommand = Callable[..., "subprocess.CompletedProcess[str]"]


def wait_until(condition: Callable[[], Any], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


def test_down_leaves_no_process_and_no_busy_port(make_stack: MakeStack) -> None:
    stack = make_stack("broker", "registry")
    stack.up()
    started = stack.processes
    assert [process.service for process in started] == ["broker", "registry"]
    assert all(is_taken(Address(process.host, process.port)) for process in started)

    assert sorted(stack.down()) == ["broker", "registry"]

    assert not marked(stack.run_dir)
    assert not any(is_taken(Address(process.host, process.port)) for process in started)
    assert stack.down() == []


def test_a_second_up_changes_nothing(make_stack: MakeStack) -> None:
    stack = make_stack("broker")
    assert stack.up() is True
    before = stack.processes
    assert stack.up() is False
    assert stack.processes == before


def test_up_starts_with_empty_stores(make_stack: MakeStack) -> None:
    stack = make_stack("broker")
    left_over = stack.run_dir / "data" / "lead_scoring" / "state.db"
    left_over.parent.mkdir(parents=True)
    left_over.touch()
    stack.up()
    assert not left_over.exists()


@pytest.mark.parametrize("damage", ["half written", "lost"])
def test_down_works_without_a_readable_state(make_stack: MakeStack, damage: str) -> None:
    stack = make_stack("broker")
    stack.up()
    file = stack.run_dir / "stack.json"
    if damage == "lost":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:50])

    assert stack.down() == ["broker"]

    assert not marked(stack.run_dir)


def test_up_replaces_what_an_interrupted_start_left_behind(make_stack: MakeStack) -> None:
    stack = make_stack("broker")
    stack.up()
    (first,) = stack.processes
    (stack.run_dir / "stack.json").unlink()

    assert stack.up() is True

    assert not psutil.pid_exists(first.pid) or psutil.Process(first.pid).status() == psutil.STATUS_ZOMBIE
    assert [process.pid for _, process in marked(stack.run_dir)] == [stack.processes[0].pid]


def test_a_pid_that_belongs_to_another_process_now_is_left_alone(make_stack: MakeStack) -> None:
    stack = make_stack("broker")
    stack.up()
    (broker,) = stack.processes
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        reused = type(broker)(
            service="broker",
            pid=stranger.pid,
            create_time=broker.create_time - 60,
            address=broker.address,
            host=broker.host,
            port=broker.port,
        )
        write_stack(stack.run_dir, [reused])
        stack.down()
        assert stranger.poll() is None
        stranger.terminate()


def test_a_taken_port_is_named_with_the_variable_that_moves_it(
    free_environment: Mapping[str, str], run_command: RunCommand
) -> None:
    with socket.create_server(("127.0.0.1", int(free_environment["LEAD_CAPTURE_PORT"]))) as taken:
        port = taken.getsockname()[1]
        answer = run_command(free_environment, "up")
    assert answer.returncode == 1
    assert f"port {port} (lead_capture) is taken: set LEAD_CAPTURE_PORT" in answer.stderr
    assert not marked(Path(free_environment["RUN_DIR"]))


def test_two_services_on_one_port_are_refused(
    free_environment: Mapping[str, str], run_command: RunCommand
) -> None:
    answer = run_command({**free_environment, "CONSOLE_PORT": free_environment["LEAD_CAPTURE_PORT"]}, "up")
    assert answer.returncode == 1
    assert "change CONSOLE_PORT" in answer.stderr


def test_a_service_that_ends_at_once_fails_up_with_the_end_of_its_log(make_stack: MakeStack) -> None:
    unusable = {"PYTHONHOME": "/nowhere", "JAVA_TOOL_OPTIONS": "-XX:+Nonsense"}
    stack = make_stack("broker", "registry", extra_env=unusable)
    with pytest.raises(StackError, match=r"(?s) ended.*(No module named 'encodings'|Unrecognized VM option)"):
        stack.up()
    assert not marked(stack.run_dir)


def test_only_one_command_at_a_time_works_on_a_stack(
    free_environment: Mapping[str, str], run_command: RunCommand
) -> None:
    with exclusive(Path(free_environment["RUN_DIR"]), "up"):
        answer = run_command(free_environment, "up")
    assert answer.returncode == 1
    assert "`up` is at work on this stack" in answer.stderr


def test_ctrl_c_during_up_stops_what_was_started(free_environment: Mapping[str, str], root: Path) -> None:
    run_dir = Path(free_environment["RUN_DIR"])
    # What is ignored, as by tests that a shell runs in the background, the started process would ignore, too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(
        [sys.executable, "-m", "local_stack", "up"],
        cwd=root,
        env=dict(free_environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as up:
        wait_until((run_dir / "stack.json").exists, seconds=120)
        up.send_signal(signal.SIGINT)
        assert up.wait(60) == 130
    assert not marked(run_dir)
    assert read_stack(run_dir) == []


def test_status_without_a_stack_says_so(free_environment: Mapping[str, str], run_command: RunCommand) -> None:
    answer = run_command(free_environment, "status")
    assert answer.returncode == 1
    assert "no stack is up" in answer.stdout
    assert json.loads(run_command(free_environment, "status", "--json").stdout) == []


def test_down_without_a_stack_succeeds(free_environment: Mapping[str, str], run_command: RunCommand) -> None:
    answer = run_command(free_environment, "down")
    assert (answer.returncode, answer.stdout) == (0, "no stack was up\n")


@pytest.mark.parametrize("port", ["no number", "0", "65536", "-1"])
def test_a_port_that_is_none_is_refused(
    free_environment: Mapping[str, str], run_command: RunCommand, port: str
) -> None:
    answer = run_command({**free_environment, "CONSOLE_PORT": port}, "up")
    assert answer.returncode == 1
    assert f"CONSOLE_PORT is {port!r}" in answer.stderr


def test_a_run_dir_that_holds_other_things_is_refused(root: Path) -> None:
    for folder in (root, root.parent, Path.home()):
        with pytest.raises(ConfigurationError, match="RUN_DIR"):
            Stack(root, folder)


def test_the_services_are_the_documented_ones_on_the_documented_ports() -> None:
    assert {name: service.default_port for name, service in SERVICES.items()} == {
        "broker": 19092,
        "registry": 18081,
        "orchestrator": 8100,
        "lead_ingestion": 8101,
        "lead_scoring": 8102,
        "active_outreach": 8103,
        "nurture_campaign": 8104,
        "send_email": 8105,
        "lead_capture": 8000,
        "console": 8080,
    }
