"""Servers' and small models' habits are taken: what they say counts, not how they write it."""

from typing import Any

import pytest
from pydantic import BaseModel, Field

from openai_habits import TAKEN, UNCLEAR, called, with_arguments
from openai_wire import completion, says
from provider_replies import Reply
from signalbox.models import Model, ModelSettings
from signalbox.models.chat_answers import NoCompletion, read_completion


class Verdict(BaseModel):
    score: int = Field(ge=0, le=100)
    why: str


GOOD = {"score": 80, "why": "asked for a demo"}


async def asked(model: Model, chat: Any, reply: Reply) -> Verdict:
    chat.says(reply)
    done = await model.complete(
        task="score",
        instructions="Score the lead.",
        prompt="Ada",
        output_type=Verdict,
        stand_in=lambda: pytest.fail("a real model needs no stand-in"),
        message_id="m-1",
    )
    return done.output


@pytest.mark.parametrize("what", TAKEN)
async def test_an_answer_is_taken_however_it_is_written(model: Model, chat: Any, what: str) -> None:
    assert await asked(model, chat, TAKEN[what](GOOD)) == Verdict(**GOOD)
    assert len(chat.requests) == 1


@pytest.mark.parametrize("what", UNCLEAR)
async def test_an_answer_that_is_not_clear_is_corrected_by_the_model(
    model: Model, chat: Any, what: str
) -> None:
    chat.says(UNCLEAR[what](GOOD))
    assert await asked(model, chat, says(called(GOOD))) == Verdict(**GOOD)
    assert len(chat.requests) == 2


def test_where_several_tools_are_offered_none_is_guessed() -> None:
    tools = [{"function": {"name": name, "parameters": {"properties": {"a": {}}}}} for name in "ab"]
    read = read_completion(completion({"content": '{"a": 1}'}), {"tools": tools})
    assert read["choices"][0]["message"]["tool_calls"] is None


def test_a_call_without_a_name_is_no_answer_where_it_can_be_for_several_tools() -> None:
    with pytest.raises(NoCompletion):
        read_completion(completion({"tool_calls": [{"function": {"arguments": "{}"}}]}), {"tools": []})


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("ollama:llama3.2:3b", "OLLAMA_BASE_URL"),
        ("vllm:m", "VLLM_BASE_URL"),
        ("openai-chat:m", "OPENAI_BASE_URL"),
    ],
)
async def test_a_provider_by_its_own_variable_has_its_answers_read_as_well(
    chat: Any, monkeypatch: pytest.MonkeyPatch, name: str, variable: str
) -> None:
    monkeypatch.setenv(variable, chat.url)
    model = Model(name, ModelSettings(api_key="k"))
    assert await asked(model, chat, says(with_arguments(GOOD), created=1.5)) == Verdict(**GOOD)
