"""The service as its own process, against a broker and a registry of the stack's own kind."""

import asyncio
import inspect
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

import mongo_server


@dataclass
class Process:
    """One ``python -m lead_capture``."""

    child: subprocess.Popen[bytes]
    client: httpx2.Client

    def wait_for(self, path: str, status: int, seconds: float = 30) -> httpx2.Response:
        deadline = time.monotonic() + seconds
        while True:
            assert self.child.poll() is None, "the process ended"
            assert time.monotonic() < deadline, f"{path} did not answer {status} in time"
            try:
                answer = self.client.get(path)
                if answer.status_code == status:
                    return answer
            except httpx2.TransportError:
                pass
            time.sleep(0.05)

    def kill(self) -> None:
        self.child.send_signal(signal.SIGKILL)
        self.child.wait(10)

    def end(self) -> int:
        self.child.terminate()
        return self.child.wait(30)


Start = Callable[[Mapping[str, str]], Process]


@pytest.fixture
def nowhere() -> dict[str, str]:
    """Settings of a broker and a registry that refuse connections."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{_free_port()}",
        "SCHEMA_REGISTRY_URL": f"http://127.0.0.1:{_free_port()}",
    }


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the service; its stores stay in the test's own folder."""
    started: list[Process] = []

    def starting(settings: Mapping[str, str]) -> Process:
        port = str(_free_port())
        env = {**os.environ, **settings, "DATA_DIR": str(tmp_path / "data"), "LEAD_CAPTURE_PORT": port}
        log = (tmp_path / "lead_capture.log").open("ab")
        child = subprocess.Popen([sys.executable, "-m", "lead_capture"], env=env, stdout=log, stderr=log)
        log.close()
        process = Process(child, httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=30))
        started.append(process)
        process.wait_for("/healthz", 200)
        return process

    yield starting
    for process in started:
        process.client.close()
        if process.child.poll() is None:
            process.kill()


@pytest.fixture(scope="package")
def mongo_process(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[mongo_server.MongoServer | None]:
    """The MongoDB-protocol server of this test run; None when ``MONGODB_URL`` names another."""
    if mongo_server.url_of_the_environment():
        yield None
        return
    if not mongo_server.can_run():
        assert not os.environ.get("CI"), (
            "CI must have a JDK and Maven: without them these tests check nothing"
        )
        pytest.skip("the tests on MongoDB need a JDK (17 or newer) and Maven, or MONGODB_URL")
    server = mongo_server.MongoServer(root, tmp_path_factory.mktemp("mongodb"))
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def mongodb(mongo_process: mongo_server.MongoServer | None) -> Callable[[], str]:
    """Give the URL of a database of the test's own."""
    database = f"leads_{uuid.uuid4().hex}"
    return lambda: mongo_server.url_of(mongo_process, database)


@pytest.fixture
def eventually() -> Callable[..., Awaitable[None]]:
    """Wait until a condition holds, which may be asynchronous; fail when it does not come true."""
    return _eventually


async def _eventually(holds: Callable[[], bool | Awaitable[bool]], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while True:
        held = holds()
        if await held if inspect.isawaitable(held) else held:
            return
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
