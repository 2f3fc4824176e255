import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

import committed_contracts
from memory_registry import SDR
from signalbox_agent.testing import MemoryRegistry

ROOT = Path(__file__).resolve().parents[3]


class Clock:
    """The clock of the process; a test moves it."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    moved = Clock()
    for module in ("schemas", "contracts"):
        monkeypatch.setattr(f"signalbox.gate.{module}.time", moved)
    return moved


@pytest.fixture
def registry() -> MemoryRegistry:
    """A fake registry that has the contracts of the demonstration."""
    made = MemoryRegistry()
    for record_type in SDR:
        made.register(record_type, committed_contracts.schema_text(record_type))
    return made


@pytest.fixture(scope="module")
def registry_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The real development registry, on a port that is free, with the contracts registered."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = tmp_path_factory.mktemp("registry")
    environment = {
        **os.environ,
        "REGISTRY_HOST": "127.0.0.1",
        "REGISTRY_PORT": str(port),
        "DATA_DIR": str(data),
    }
    process = subprocess.Popen([sys.executable, "-m", "dev_registry"], env=environment)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_it_answers(url)
        for record_type in SDR:
            body = {"schema": committed_contracts.schema_text(record_type)}
            httpx2.post(f"{url}/subjects/{record_type}/versions", json=body).raise_for_status()
        yield url
    finally:
        process.terminate()
        process.wait(timeout=10)


def _wait_until_it_answers(url: str) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            httpx2.get(f"{url}/subjects").raise_for_status()
        except httpx2.HTTPError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
