"""A registry to test: the one at SCHEMA_REGISTRY_URL_UNDER_TEST, or else a development registry of its own.

Subjects are new for each test, so that the suite can run against a registry that others use too.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

OTHER_REGISTRY = os.environ.get("SCHEMA_REGISTRY_URL_UNDER_TEST")
START_DEADLINE_S = 30


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def _running(data_dir: Path, port: int) -> Iterator[str]:
    environment = {**os.environ, "DATA_DIR": str(data_dir), "REGISTRY_PORT": str(port)}
    environment.pop("REGISTRY_HOST", None)
    url = f"http://127.0.0.1:{port}"
    with (
        (data_dir / "registry.log").open("ab") as log,
        subprocess.Popen(
            [sys.executable, "-m", "dev_registry"], env=environment, stdout=log, stderr=log
        ) as process,
    ):
        try:
            _wait_until_ready(url, process, data_dir / "registry.log")
            yield url
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_DEADLINE_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx2.TransportError):
            if httpx2.get(f"{url}/readyz").status_code == 200:
                return
        time.sleep(0.05)
    pytest.fail(f"the registry did not start: {log.read_text()}")


@pytest.fixture(scope="session")
def running() -> Callable[[Path, int], contextlib.AbstractContextManager[str]]:
    """Start a development registry on a data folder and port; stop it at the end of the block."""
    return _running


@pytest.fixture
def free_port() -> int:
    return _free_port()


@pytest.fixture(scope="package")
def registry_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if OTHER_REGISTRY:
        yield OTHER_REGISTRY.rstrip("/")
        return
    with _running(tmp_path_factory.mktemp("registry"), _free_port()) as url:
        yield url


@pytest.fixture
def own_registry(registry_url: str) -> str:
    """The development registry's address; skips tests of what only that one promises."""
    if OTHER_REGISTRY:
        pytest.skip("a promise of the development registry only")
    return registry_url


@pytest.fixture(scope="package")
def http(registry_url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=registry_url, timeout=30) as client:
        yield client


@pytest.fixture
def new_subject(http: httpx2.Client) -> Iterator[Callable[..., str]]:
    """Return unused subject names, escaped for a path; what they came to hold is deleted at the end."""
    given: list[str] = []

    def make(suffix: str = "") -> str:
        given.append(quote(f"t-{uuid.uuid4().hex}{suffix}", safe=""))
        return given[-1]

    yield make
    for _ in range(2):  # again, since a subject can be deleted only after those that refer to it
        for subject in reversed(given):
            http.delete(f"/mode/{subject}")
            http.delete(f"/config/{subject}")
            http.delete(f"/subjects/{subject}")
            http.delete(f"/subjects/{subject}", params={"permanent": "true"})


@pytest.fixture
def subject(new_subject: Callable[..., str]) -> str:
    return new_subject()


@pytest.fixture
def record() -> Callable[..., dict[str, Any]]:
    """Return a record schema that no other test has: fields are given as name=type or as whole fields."""
    namespace = f"t{uuid.uuid4().hex}"

    def make(*fields: dict[str, Any], **types: Any) -> dict[str, Any]:
        simple = [{"name": name, "type": kind} for name, kind in types.items()]
        return {"type": "record", "name": "Thing", "namespace": namespace, "fields": [*fields, *simple]}

    return make


@pytest.fixture
def register(http: httpx2.Client) -> Callable[..., httpx2.Response]:
    """Post a schema (a value, or its text) to a subject; the rest goes into the body."""

    def post(
        subject: str, schema: Any, *, params: dict[str, str] | None = None, **rest: Any
    ) -> httpx2.Response:
        text = schema if isinstance(schema, str) else json.dumps(schema)
        return http.post(f"/subjects/{subject}/versions", params=params, json={"schema": text, **rest})

    return post


@pytest.fixture
def registered(register: Callable[..., httpx2.Response]) -> Callable[..., int]:
    """Register a schema that must be accepted; return its id."""

    def post(subject: str, schema: Any, **rest: Any) -> int:
        answer = register(subject, schema, **rest)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["id"])

    return post


@pytest.fixture
def refused() -> Callable[..., str]:
    """Assert that an answer is an error with this status and code; return its message."""

    def check(answer: httpx2.Response, code: int, status: int | None = None) -> str:
        assert (answer.status_code, answer.json()["error_code"]) == (status or code // 100, code), answer.text
        return str(answer.json()["message"])

    return check
