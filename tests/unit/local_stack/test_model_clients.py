"""What LLM_MODEL names is installed when the stack comes up, and nothing else is."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from local_stack import model_clients
from local_stack.progress import Progress
from signalbox.protocol.errors import ConfigurationError


@pytest.fixture(autouse=True)
def _nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_clients, "find_spec", lambda _: None)


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        ({}, []),
        ({"LLM_MODEL": "offline"}, []),
        ({"LLM_MODEL": "openai:gpt-5-mini"}, []),
        ({"LLM_MODEL": "anthropic:claude-haiku-4-5"}, ["anthropic"]),
        ({"ROUTER_LLM_MODEL": "google:gemini", "AGENT_LLM_MODEL": "mistral:small"}, ["google", "mistral"]),
        ({"LEAD_SCORING_LLM_MODEL": "bedrock:m"}, ["bedrock"]),
        ({"LLM_MODEL": "anthropic:m", "LLM_BASE_URL": "http://127.0.0.1:1/v1"}, []),
        ({"SOME_MODEL": "anthropic:m"}, []),
    ],
)
def test_the_clients_of_the_models_that_are_named_are_missing(
    environment: Mapping[str, str], missing: list[str]
) -> None:
    assert model_clients.missing_extras(environment) == missing


def test_what_is_missing_is_installed_as_an_extra_under_the_constraints(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, len(asked) - 1, "", "no such index")

    monkeypatch.setattr(subprocess, "run", run)
    environment = {"LLM_MODEL": "anthropic:m", "AGENT_LLM_MODEL": "google:m"}
    model_clients.install_missing_clients(tmp_path, environment, Progress(quiet=True))
    assert asked[0][-3:] == [
        str(tmp_path / "constraints.txt"),
        "-e",
        f"{tmp_path}/libs/core[anthropic,google]",
    ]
    with pytest.raises(ConfigurationError, match="no such index"):
        model_clients.install_missing_clients(tmp_path, environment, Progress(quiet=True))


def test_a_stack_without_models_of_others_asks_for_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("nothing is to be installed"))
    model_clients.install_missing_clients(tmp_path, {"LLM_MODEL": "offline"}, Progress(quiet=True))
