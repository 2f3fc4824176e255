"""The preloaded library in a real process: its clock jumps, its disk is full."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from injectors.preload import Control, NoCompiler, Preload

_CHILD = """
import json, sys
for line in sys.stdin:
    try:
        print(json.dumps(eval(line)), flush=True)
    except Exception as error:
        print(json.dumps(f"{type(error).__name__}: {error}"), flush=True)
"""
_IMPORTS = (
    "__import__('time')",
    "__import__('threading')",
    "__import__('sqlite3')",
    "__import__('datetime')",
    "__import__('confluent_kafka')",
)


class Child:
    """A Python process that evaluates what it is sent."""

    def __init__(self, preload: Preload) -> None:
        environment = {**os.environ, **preload.environment, "SIGNALBOX_SERVICE": "child"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        for module in _IMPORTS:
            self.says(f"[globals().__setitem__({module}.__name__, {module}), 1][1]")

    def says(self, expression: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(expression.encode() + b"\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture(scope="module")
def preload(tmp_path_factory: pytest.TempPathFactory) -> Preload:
    try:
        return Preload(tmp_path_factory.mktemp("preload"))
    except NoCompiler as error:
        pytest.skip(str(error))


@pytest.fixture
def control(preload: Preload) -> Iterator[Control]:
    made = preload.control("child")
    yield made
    made.shift_clock(0)
    made.free_disk()


@pytest.fixture
def child(preload: Preload, control: Control) -> Iterator[Child]:
    made = Child(preload)
    yield made
    made.end()


@pytest.mark.parametrize("jump", [-1800.5, 3600.25])
def test_every_wall_clock_of_a_process_jumps_and_comes_back(
    child: Child, control: Control, jump: float
) -> None:
    clocks = ("time.time()", "datetime.datetime.now(datetime.UTC).timestamp()")
    control.shift_clock(jump)
    for clock in clocks:
        assert child.says(clock) - time.time() == pytest.approx(jump, abs=60)
    control.shift_clock(0)
    for clock in clocks:
        assert child.says(clock) - time.time() == pytest.approx(0, abs=60)


@pytest.mark.parametrize("jump", [-3600, 3600])
def test_waits_last_as_long_as_before_while_the_clock_is_wrong(
    child: Child, control: Control, jump: float
) -> None:
    control.shift_clock(jump)
    before = child.says("time.monotonic()")
    assert child.says("threading.Event().wait(0.2)") is False
    # The client library waits on the wall clock: without the shim's care this would take an hour.
    settings = "{'bootstrap.servers': '127.0.0.1:1', 'group.id': 'g', 'log_level': 0}"
    assert child.says(f"confluent_kafka.Consumer({settings}).poll(0.3)") is None
    assert 0.4 < child.says("time.monotonic()") - before < 120


def test_a_full_disk_refuses_what_sqlite_writes_there_and_only_there(
    child: Child, control: Control, tmp_path: Path
) -> None:
    full, other = tmp_path / "full", tmp_path / "full-other"
    full.mkdir()
    other.mkdir()
    for name, folder in (("a", full), ("b", other)):
        opened = f"sqlite3.connect({str(folder / 'store.db')!r}, isolation_level=None)"
        assert child.says(f"[globals().__setitem__({name!r}, {opened}), 1][1]") == 1
        child.says(f"{name}.execute('pragma journal_mode=wal').fetchall()")
        child.says(f"{name}.execute('create table t (v)').fetchall()")
    insert = "execute('insert into t values (1)').rowcount"
    control.fill_disk(full)
    assert child.says(f"a.{insert}") == "OperationalError: database or disk is full"
    refused = control.refused
    assert refused > 0
    assert child.says(f"b.{insert}") == 1
    assert control.refused == refused
    control.free_disk()
    assert child.says(f"a.{insert}") == 1
    assert child.says("a.execute('select count(*) from t').fetchall()") == [[1]]


def test_a_process_that_nobody_controls_is_as_it_was(preload: Preload) -> None:
    environment = {**os.environ, **preload.environment, "SIGNALBOX_SERVICE": "stranger"}
    said = subprocess.run(
        [sys.executable, "-c", "import time; print(time.time())"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(said.stdout) == pytest.approx(time.time(), abs=60)
