"""A service that could not start again is not stopped."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import chain, repeat
from pathlib import Path
from typing import ClassVar

import pytest

from compose_stack import ComposeStack
from compose_stack import stack as compose_stack_module
from local_stack import Stack
from local_stack import stack as stack_module
from local_stack.needed import NeededAway, require_needed
from local_stack.processes import create_time
from local_stack.progress import Progress
from local_stack.state import StackProcess, write_stack
from operating import free_port
from stack_release.environments import ProcessTarget
from stack_release.sources import Sources
from stack_release.steps import release

ROOT = Path(__file__).resolve().parents[3]
AT_ONCE = partial(require_needed, patience_s=0)


def process_at(service: str, port: int, readyz: str = "/readyz") -> StackProcess:
    return StackProcess(service, 2**22 + 1, 0, f"127.0.0.1:{port}", "127.0.0.1", port, readyz)


@contextmanager
def ready(refusing: int = 0) -> Iterator[int]:
    """Answer 200 on a port, but to the first so many 503."""
    statuses = chain(repeat(503, refusing), repeat(200))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(next(statuses))
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def there() -> Iterator[int]:
    with ready() as port:
        yield port


def test_what_is_away_is_named_with_the_reason_and_what_helps(there: int) -> None:
    processes = [process_at("broker", there), process_at("registry", free_port())]
    with pytest.raises(NeededAway) as refused:
        AT_ONCE("lead_scoring", processes)
    said = str(refused.value)
    assert said.startswith(
        "lead_scoring could not start again, so it is left as it is: registry is away (no "
    )
    assert said.endswith("; first `make redeploy service=registry`")


def test_both_are_named(there: int) -> None:
    processes = [process_at("broker", free_port(), ""), process_at("registry", free_port())]
    with pytest.raises(NeededAway, match=r"broker is away .* and registry is away .*broker`, `make redeploy"):
        AT_ONCE("orchestrator_2", processes)


@pytest.mark.parametrize("name", ["broker", "broker_2", "registry"])
def test_what_the_others_need_is_started_whatever_is_away(name: str) -> None:
    AT_ONCE(name, [process_at("broker", free_port(), ""), process_at("registry", free_port())])


def test_of_several_brokers_one_is_enough(there: int) -> None:
    brokers = [process_at("broker", free_port()), process_at("broker_2", there)]
    AT_ONCE("console", [*brokers, process_at("registry", there)])


def test_a_stack_without_a_registry_of_its_own_is_not_asked_for_one(there: int) -> None:
    AT_ONCE("console", [process_at("broker", there)])


def test_one_that_is_slow_is_waited_for() -> None:
    with ready(refusing=2) as port:
        require_needed("console", [process_at("registry", port)], patience_s=30)
    with ready(refusing=2) as port, pytest.raises(NeededAway, match="answers 503"):
        AT_ONCE("console", [process_at("registry", port)])


Make = Callable[[Path], Stack | ComposeStack]


@pytest.mark.parametrize(
    ("make", "module"),
    [
        (lambda run_dir: Stack(ROOT, run_dir), stack_module),
        (lambda run_dir: ComposeStack(ROOT, run_dir), compose_stack_module),
    ],
    ids=["processes", "containers"],
)
def test_redeploy_refuses_before_it_stops_or_builds_anything(
    tmp_path: Path, there: int, monkeypatch: pytest.MonkeyPatch, make: Make, module: object
) -> None:
    monkeypatch.setattr(module, "require_needed", AT_ONCE)
    monkeypatch.setenv("PATH", str(tmp_path))  # neither docker nor anything else can be run
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as console:
        running = replace(process_at("console", there), pid=console.pid, create_time=create_time(console.pid))
        others = [process_at("broker", there), process_at("registry", free_port())]
        write_stack(tmp_path, [*others, running])
        with pytest.raises(NeededAway, match="console could not start again"):
            make(tmp_path).redeploy("console")
        assert console.poll() is None
        console.terminate()


def test_a_release_that_is_refused_there_rolls_nothing_back(tmp_path: Path) -> None:
    class Recorded:
        """A stack whose registry went away after can-i-deploy had asked it."""

        env: ClassVar[Mapping[str, str]] = {}
        run_dir = tmp_path
        addresses: ClassVar[Mapping[str, str]] = {"console": "http://127.0.0.1:1"}
        redeployed: ClassVar[list[bool]] = []

        def process(self, name: str) -> StackProcess:
            return process_at(name, 1)

        def redeploy(self, name: str, settings: Mapping[str, str], *, asking: bool = True) -> None:
            self.redeployed.append(asking)
            raise NeededAway("registry is away")

    class Target(ProcessTarget):
        def build(self, service: str, version: str, contracts: object) -> str:
            return version

    stack = Recorded()
    report = release(
        "console", "1", Target(stack, Sources(ROOT)),  # type: ignore[arg-type]
        test=lambda: "", ask=lambda: {}, progress=Progress(quiet=True),
    )  # fmt: skip
    assert (report.result, stack.redeployed) == ("refused", [True])
