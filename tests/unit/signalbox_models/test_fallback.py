"""While the first model is away, another is asked, and the answer says which it was."""

import json
from typing import Any

import pytest
from fastapi import Response
from pydantic import BaseModel

from signalbox.models import Completion, Model, ModelRefused, ModelSettings, model_for, port
from signalbox.protocol.errors import Unavailable


class Verdict(BaseModel):
    score: int


async def ask(model: Model, number: int = 1) -> Completion[Verdict]:
    return await model.complete(
        task="score",
        instructions="Score.",
        prompt="Ada",
        output_type=Verdict,
        stand_in=lambda: {"score": 7},
        message_id=f"m-{number}",
    )


def says(content: str) -> Any:
    whole = {"id": "1", "choices": [{"index": 0, "message": {"content": content}, "finish_reason": "stop"}]}
    return lambda _: Response(json.dumps(whole), media_type="application/json")


@pytest.fixture
def both(chat: Any) -> Model:
    settings = ModelSettings(base_url=chat.url, timeout_s=10, output="json_schema", retries=0)
    return Model("first", settings, fallback=Model("second", settings))


async def test_the_first_is_asked_while_it_is_there(both: Model, chat: Any) -> None:
    chat.says(says('{"score": 80}'))
    assert (await ask(both)).model == "first"


@pytest.mark.parametrize("status", [429, 500, 401])
async def test_while_the_first_is_away_the_second_answers_and_all_calls_count(
    both: Model, chat: Any, status: int
) -> None:
    chat.says(chat.status(status), says('{"score": 80}'), says('{"score": 81}'))
    done = await ask(both)
    assert (done.model, done.calls, done.output.score) == ("second", 2, 80)
    # The first is left alone for a while: nobody waits for it again.
    assert ((await ask(both, 2)).model, len(chat.requests)) == ("second", 3)
    assert [request["model"] for request in chat.requests] == ["first", "second", "second"]


async def test_the_first_is_asked_again_after_a_while(
    both: Model, chat: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port, "_AWAY_S", 0.0)
    chat.says(chat.status(500), says('{"score": 80}'), says('{"score": 81}'))
    assert [(await ask(both, number)).model for number in (1, 2)] == ["second", "first"]


async def test_an_answer_of_the_first_that_is_not_valid_is_no_reason_to_ask_another(
    both: Model, chat: Any
) -> None:
    chat.says(says('{"score": "high"}'))
    with pytest.raises(ModelRefused):
        await ask(both)
    assert len(chat.requests) == 1


async def test_when_both_are_away_the_model_is_unavailable(both: Model, chat: Any) -> None:
    chat.says(chat.status(500), chat.status(503))
    with pytest.raises(Unavailable, match="second"):
        await ask(both)


async def test_the_environment_names_it(monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int) -> None:
    monkeypatch.setenv("LLM_MODEL", "first")
    monkeypatch.setenv("LLM_FALLBACK", "offline")
    monkeypatch.setenv("LLM_BASE_URL", f"http://127.0.0.1:{unused_tcp_port}/v1")
    done = await ask(model_for("agent"))
    assert (done.model, done.output.score) == ("offline", 7)
