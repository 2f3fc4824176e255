"""The orchestrator obeys SIGTERM, also while everything that it needs is away."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx2

from operating import free_port

PATIENCE_S = 20


def test_an_orchestrator_that_waits_for_broker_and_registry_stops_when_told(
    tmp_path: Path, root: Path
) -> None:
    nowhere, port = free_port(), free_port()
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{nowhere}",
        "SCHEMA_REGISTRY_URL": f"http://127.0.0.1:{nowhere}",
        "ORCHESTRATOR_PORT": str(port),
        "CATALOG": str(root / "contracts" / "catalog.yaml"),
        "LLM_MODEL": "offline",
    }
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "orchestrator"],
            env={**os.environ, **settings},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 60
        while not answers(f"http://127.0.0.1:{port}/healthz"):
            assert process.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert httpx2.get(f"http://127.0.0.1:{port}/readyz").status_code == 503

        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        return httpx2.get(url, timeout=2).is_success
    except httpx2.TransportError:
        return False
