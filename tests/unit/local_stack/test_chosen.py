import os
from pathlib import Path

import psutil
import pytest

from compose_stack import ComposeStack
from local_stack import Stack
from local_stack.chosen import stack_of
from local_stack.progress import Progress
from local_stack.state import StackProcess, write_stack

CHECKOUT = Path(__file__).resolve().parents[3]


def kind_of_stack(run_dir: Path) -> type[object]:
    return type(stack_of(CHECKOUT, run_dir, Progress(quiet=True)))


def recorded(kind: str, *, pid: int = 0, container: str = "") -> list[StackProcess]:
    created = psutil.Process(pid).create_time() if pid else 0
    return [
        StackProcess(
            "console", pid, created, "", "127.0.0.1", 1, environment={"STACK": kind}, container=container
        )
    ]


def test_without_a_stack_the_environment_chooses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACK", "local")
    assert kind_of_stack(tmp_path) is Stack
    monkeypatch.setenv("STACK", "compose")
    assert kind_of_stack(tmp_path) is ComposeStack


def test_the_stack_that_is_up_goes_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STACK", "local")
    write_stack(tmp_path, recorded("compose", container="signalbox-console-1"))
    assert kind_of_stack(tmp_path) is ComposeStack
    monkeypatch.setenv("STACK", "compose")
    write_stack(tmp_path, recorded("kafka", pid=os.getpid()))
    assert kind_of_stack(tmp_path) is Stack


def test_a_stack_whose_processes_ended_does_not_stand_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STACK", "compose")
    write_stack(
        tmp_path, [StackProcess("console", 2**22 + 1, 0, "", "127.0.0.1", 1, environment={"STACK": "kafka"})]
    )
    assert kind_of_stack(tmp_path) is ComposeStack
