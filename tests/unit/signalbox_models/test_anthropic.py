"""Anthropic's wire format: its answers are taken, and what is none is a bad moment, as with OpenAI's."""

import json
from typing import Any

import pytest
from pydantic import BaseModel, Field

from anthropic_habits import NEVER, NO_ANSWERS, TAKEN, UNCLEAR
from anthropic_wire import error
from signalbox.models import Completion, Model, ModelRefused, ModelSettings
from signalbox.protocol.errors import Unavailable


class Verdict(BaseModel):
    score: int = Field(ge=0, le=100)
    why: str


GOOD = {"score": 80, "why": "asked for a demo"}


@pytest.fixture(params=["json_schema", "tool", "prompted"])
def claude(chat: Any, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Model:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", chat.url.removesuffix("/v1"))
    settings = ModelSettings(api_key="secret-key", timeout_s=10, output=request.param)
    return Model("anthropic:claude-haiku-4-5", settings)


async def ask(model: Model, message_id: str = "m-1") -> Completion[Verdict]:
    return await model.complete(
        task="score",
        instructions="Score the lead.",
        prompt="Ada of Analytical Engines asks for a demo.",
        output_type=Verdict,
        stand_in=lambda: pytest.fail("a real model needs no stand-in"),
        message_id=message_id,
    )


@pytest.mark.parametrize("what", TAKEN)
async def test_an_answer_is_taken_in_every_form(claude: Model, chat: Any, what: str) -> None:
    chat.says(TAKEN[what](GOOD))
    done = await ask(claude)
    assert (done.output, done.model) == (Verdict(**GOOD), "anthropic:claude-haiku-4-5")
    assert (done.calls, done.input_tokens, done.output_tokens) == (1, 11, 7)
    [request] = chat.requests
    assert request["model"] == "claude-haiku-4-5"
    assert request["max_tokens"] == 4000
    assert "Score the lead." in json.dumps(request["system"])


@pytest.mark.parametrize("what", NO_ANSWERS)
async def test_what_is_no_answer_is_a_bad_moment_and_the_next_one_is_taken(
    claude: Model, chat: Any, what: str
) -> None:
    chat.says(NO_ANSWERS[what], TAKEN["a call"](GOOD))
    with pytest.raises(Unavailable):
        await ask(claude)
    assert (await ask(claude)).output == Verdict(**GOOD)


async def test_too_many_requests_wait_as_long_as_the_server_says(claude: Model, chat: Any) -> None:
    chat.says(error(429, "rate_limit_error", "slow down", **{"retry-after": "7"}))
    with pytest.raises(Unavailable) as unavailable:
        await ask(claude)
    assert unavailable.value.retry_after == 7


async def test_a_server_that_hangs_is_a_bad_moment(chat: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", chat.url.removesuffix("/v1"))
    chat.says(chat.hang())
    with pytest.raises(Unavailable):
        await ask(Model("anthropic:claude-haiku-4-5", ModelSettings(api_key="k", timeout_s=0.2)))


@pytest.mark.parametrize("what", NEVER)
async def test_what_can_never_succeed_ends_as_a_refusal(claude: Model, chat: Any, what: str) -> None:
    chat.says(*[NEVER[what]] * 6)
    with pytest.raises(ModelRefused):
        await ask(claude)


@pytest.mark.parametrize("what", UNCLEAR)
async def test_an_answer_that_is_not_valid_is_corrected(claude: Model, chat: Any, what: str) -> None:
    chat.says(UNCLEAR[what](GOOD), TAKEN["a call"](GOOD))
    assert (await ask(claude)).calls == 2
    assert "Answer again." in json.dumps(chat.requests[1]["messages"])
