"""What an orchestrator says of itself before it has reached anything."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from orchestrator.bootstrap import bootstrap
from orchestrator.settings import OrchestratorSettings


async def test_each_stage_is_waited_for_from_the_first_moment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # A stage that reports only once it runs leaves a moment in which nothing is waited for: `make up` met it.
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("SCHEMA_REGISTRY_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("LLM_MODEL", "offline")
    monkeypatch.setenv("AGENT_KEYS_DIR", str(tmp_path))
    async with AsyncExitStack() as closing:
        orchestrator = bootstrap(OrchestratorSettings(data_dir=tmp_path), closing)
        readiness = orchestrator.readiness
        for part in ("contracts", "grants", "directory"):
            readiness.done(part)
        assert not readiness.ready
        assert readiness.waiting_for == [
            f"{stage.name}: starting" for stage in (orchestrator.intake, orchestrator.routing)
        ]
