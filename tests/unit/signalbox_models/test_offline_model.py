import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

import signalbox.models
from signalbox.models import Model, ModelRefused, ModelSettings, model_for


class Verdict(BaseModel):
    score: int = Field(ge=0, le=100)


def asking(**more: Any) -> dict[str, Any]:
    return {
        "task": "score",
        "instructions": "Score.",
        "prompt": "Ada",
        "output_type": Verdict,
        "stand_in": lambda: Verdict(score=80),
        "message_id": "m-1",
        **more,
    }


@pytest.fixture
def offline(call_log: Path) -> Model:
    return Model("offline", ModelSettings(call_log=call_log))


async def test_the_stand_in_answers_and_is_called_what_it_is(offline: Model) -> None:
    completion = await offline.complete(**asking())
    assert (completion.output, completion.model, completion.calls) == (Verdict(score=80), "offline", 1)


async def test_a_mapping_serves_as_stand_in(offline: Model) -> None:
    assert (await offline.complete(**asking(stand_in=lambda: {"score": 7}))).output.score == 7


async def test_a_choice_among_names_serves_as_output(offline: Model) -> None:
    choice = Literal[("a", "NONE")]  # type: ignore[valid-type]
    completion = await offline.complete(**asking(output_type=choice, stand_in=lambda: "NONE"))
    assert completion.output == "NONE"


async def test_a_stand_in_is_validated_as_any_answer(offline: Model) -> None:
    with pytest.raises(ModelRefused) as refused:
        await offline.complete(**asking(stand_in=lambda: {"score": 900}))
    assert refused.value.calls == 3


async def test_a_stand_in_is_checked_as_any_answer(offline: Model) -> None:
    with pytest.raises(ModelRefused) as refused:
        await offline.complete(**asking(check=lambda _: "no"))
    assert refused.value.violated_check


async def test_a_fault_in_the_stand_in_is_not_taken_for_a_bad_moment(offline: Model) -> None:
    with pytest.raises(ZeroDivisionError):
        await offline.complete(**asking(stand_in=lambda: 1 / 0))


async def test_its_calls_are_recorded_at_the_same_port(offline: Model, call_log: Path) -> None:
    await offline.complete(**asking())
    [line] = [json.loads(line) for line in call_log.read_text().splitlines()]
    assert (line["task"], line["message_id"], line["model"]) == ("score", "m-1", "offline")


def test_the_offline_model_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LLM_MODEL", "ROUTER_LLM_MODEL", "AGENT_LLM_MODEL"):
        monkeypatch.delenv(name, raising=False)
    assert model_for("agent").name == model_for("router").name == "offline"


def test_each_role_can_have_its_own_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_MODEL", "llama3.2:3b")
    monkeypatch.setenv("LLM_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("ROUTER_LLM_MODEL", "offline")
    assert (model_for("agent").name, model_for("router").name) == ("llama3.2:3b", "offline")


def test_one_agent_can_have_a_model_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_LLM_MODEL", "offline")
    monkeypatch.setenv("LLM_BASE_URL", "http://127.0.0.1:1/v1")
    monkeypatch.setenv("LEAD_SCORING_LLM_MODEL", "llama3.2:3b")
    assert (model_for("agent", "lead_scoring").name, model_for("agent", "echo").name) == (
        "llama3.2:3b",
        "offline",
    )


async def test_questions_of_one_kind_that_are_asked_at_the_same_time_keep_their_own_checks() -> None:
    model = Model("offline", ModelSettings(retries=0))

    async def ask(score: int, limit: int) -> int:
        def check(verdict: Verdict) -> str | None:
            return None if verdict.score <= limit else f"over {limit}"

        try:
            return (
                await model.complete(**asking(stand_in=lambda: {"score": score}), check=check)
            ).output.score
        except ModelRefused as refused:
            assert f"over {limit}" in refused.detail
            return -1

    answers = await asyncio.gather(*(ask(score, limit) for score in range(4) for limit in range(4)))
    assert answers == [score if score <= limit else -1 for score in range(4) for limit in range(4)]


async def test_an_answer_that_is_turned_down_is_not_quoted() -> None:
    model = Model("offline", ModelSettings(retries=0))
    with pytest.raises(ModelRefused) as refused:
        await model.complete(**asking(stand_in=lambda: {"score": "Anna Schmidt"}))
    assert "score" in refused.value.detail
    assert "Anna" not in str(refused.value)


def test_offline_no_provider_is_imported() -> None:
    program = "import sys, signalbox.models as m; m.model_for('agent'); print('openai' in sys.modules)"
    environment = {name: value for name, value in os.environ.items() if "LLM" not in name}
    command = [sys.executable, "-c", program]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert said.stdout == "False\n"


def test_the_package_exports_these_names_and_no_others() -> None:
    assert signalbox.models.__all__ == [
        "NANOS", "OFFLINE", "ROUTE", "Completion", "DollarBudget", "Model", "ModelRefused", "ModelSettings",
        "model_for", "nanos_of", "price_of", "prompt_version", "usd",
    ]  # fmt: skip
