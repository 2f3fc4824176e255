"""The committed contracts, and a development registry of its own for tests that register them."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from signalbox.catalog import Catalog

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
_PATIENCE_S = 30.0


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return Catalog.load(CONTRACTS / "catalog.yaml")


@pytest.fixture
def registry_url(tmp_path: Path) -> Iterator[str]:
    """A development registry that holds nothing yet, as a process of its own."""
    with running_registry(tmp_path) as url:
        yield url


@contextmanager
def running_registry(folder: Path) -> Iterator[str]:
    """Run a development registry that keeps its data in ``folder``, and give its address."""
    port = _free_port()
    environment = {
        **os.environ,
        "REGISTRY_PORT": str(port),
        "REGISTRY_HOST": "127.0.0.1",
        "DATA_DIR": str(folder),
    }
    with (folder / "registry.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "dev_registry"], env=environment, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_it_answers(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(_PATIENCE_S)


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            httpx2.get(f"{url}/subjects", timeout=1).raise_for_status()
        except httpx2.HTTPError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"the development registry did not answer at {url}; exit status {process.poll()}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
