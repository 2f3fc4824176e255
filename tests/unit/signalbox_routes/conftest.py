"""Two agents and their decisions on a broker in memory, and the command that reads them."""

import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from command_line import outcome_of
from memory_broker import broker_behind_routes
from recorded_routes import BAKERY, GARAGE, RecordedRoutes, Routes
from signalbox.models import Completion
from signalbox.protocol.names import NO_AGENT


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> RecordedRoutes:
    monkeypatch.setenv("AGENT_ENROLMENT", "folder")
    recorded = RecordedRoutes(broker_behind_routes(monkeypatch, tmp_path))
    recorded.announce(BAKERY, "Bakes bread, takes what is FIRST.")
    recorded.announce(GARAGE, "Mends engines.")
    return recorded


@pytest.fixture
def routes(capsys: pytest.CaptureFixture[str]) -> Routes:
    return partial(outcome_of, capsys, "routes")


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> str:
    """Let a model choose the agent whose description says FIRST, and nobody where the prompt says NONE."""

    async def complete(self: Any, *, instructions: str, prompt: str, output_type: Any, **_: Any) -> Any:
        named = re.search(r'"id": "(\w+)",\s+"name": "\w+",\s+"description": "[^"]*FIRST', prompt)
        said = NO_AGENT if instructions == "Say NONE." or named is None else named[1]
        return Completion(output_type(agent=said, reason="so"), self.name, 1, 10, 1)

    for name in ("LLM_MODEL", "ROUTER_LLM_MODEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("signalbox.models.port.Model.complete", complete)
    monkeypatch.setattr("signalbox.models.port._provided", lambda name, settings: None)
    return "openai:gpt-4o-mini"
