"""Servers that fail on demand, with a client's view of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fault import World
from injectors.background import BackgroundLoop


@pytest.fixture
def loop() -> Iterator[BackgroundLoop]:
    with BackgroundLoop() as running:
        yield running


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(run_dir=tmp_path)


@pytest.fixture(autouse=True)
def nobody_waits_for_traffic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here the test itself is the traffic, and it comes after the fault was injected."""
    monkeypatch.setattr("injectors.evidence_of_harm._DEADLINE_S", 0.0)
    monkeypatch.setattr("injectors.away._NOTICED_S", 0.0)
