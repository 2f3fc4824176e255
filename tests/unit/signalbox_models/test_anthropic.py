"""Anthropic's wire format: its answers are taken, and what is none is a bad moment, as with OpenAI's."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import Response
from pydantic import BaseModel, Field

from signalbox.models import Completion, Model, ModelRefused, ModelSettings
from signalbox.protocol.errors import Unavailable

Reply = Callable[[dict[str, Any]], Response]


class Verdict(BaseModel):
    score: int = Field(ge=0, le=100)
    why: str


GOOD = {"score": 80, "why": "asked for a demo"}
TEXT = json.dumps(GOOD)
PAGE = "<html><body><h1>502 Bad Gateway</h1></body></html>"


def sends(status: int, body: Any, kind: str = "application/json", **headers: str) -> Reply:
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    return lambda _: Response(content, status, headers, kind)


def says(*content: Any, **changes: Any) -> Reply:
    whole = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5",
        "content": list(content),
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 11, "output_tokens": 7},
    }
    return sends(200, whole | changes)


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


def call(arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": "toolu_1", "name": "answer", "input": arguments}


def error(status: int, kind: str, message: str, **headers: str) -> Reply:
    return sends(status, {"type": "error", "error": {"type": kind, "message": message}}, **headers)


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


ANSWERS: dict[str, Reply] = {
    "text": says(text(TEXT)),
    "text in a fence": says(text(f"Sure!\n```json\n{TEXT}\n```")),
    "a call": says(call(GOOD), stop_reason="tool_use"),
    "a call after words": says(text("Let me see."), call(GOOD), stop_reason="tool_use"),
    "a call that is wrapped": says(call({"answer": GOOD}), stop_reason="tool_use"),
    "a call that is encoded": says(call({"answer": TEXT}), stop_reason="tool_use"),
    "text without its type": says({"text": TEXT}),
    "text after thoughts": says(text(f"<thinking>Hm.</thinking>{TEXT}")),
}


@pytest.mark.parametrize("what", ANSWERS)
async def test_an_answer_is_taken_in_every_form(claude: Model, chat: Any, what: str) -> None:
    chat.says(ANSWERS[what])
    done = await ask(claude)
    assert done == Completion(Verdict(**GOOD), "anthropic:claude-haiku-4-5", 1, 11, 7)
    [request] = chat.requests
    assert request["model"] == "claude-haiku-4-5"
    assert request["max_tokens"] == 4000
    assert "Score the lead." in json.dumps(request["system"])


NO_ANSWERS: dict[str, Reply] = {
    "a page": sends(200, PAGE, "text/html"),
    "a page as JSON": sends(200, PAGE),
    "JSON cut short": sends(200, '{"id": "msg_1", "content": [{"ty'),
    "another API": sends(200, {"id": "1", "choices": [{"message": {"content": TEXT}}]}),
    "a list": sends(200, [GOOD]),
    "null": sends(200, "null"),
    "nothing": sends(200, ""),
    "content null": says(content=None),
    "no content": says(),
    "usage null": sends(200, {"type": "message", "content": [text("x")], "usage": None}),
    "an error in a 200": sends(200, {"type": "error", "error": {"type": "api_error", "message": "x"}}),
    "500": error(500, "api_error", "out of order"),
    "529": error(529, "overloaded_error", "Overloaded"),
    "429": error(429, "rate_limit_error", "slow down"),
    "a 502 page": sends(502, PAGE, "text/html"),
    "401": error(401, "authentication_error", "invalid x-api-key"),
    "404": error(404, "not_found_error", "model: claude-nope"),
    "a login page": sends(302, "", location="/login"),
}


@pytest.mark.parametrize("what", NO_ANSWERS)
async def test_what_is_no_answer_is_a_bad_moment_and_the_next_one_is_taken(
    claude: Model, chat: Any, what: str
) -> None:
    chat.says(NO_ANSWERS[what], ANSWERS["a call"])
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


@pytest.mark.parametrize(
    "refusal",
    [
        says(stop_reason="refusal"),
        error(400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
        error(413, "request_too_large", "Request exceeds the maximum size"),
    ],
    ids=["a refusal", "a prompt that is too long", "a request that is too large"],
)
async def test_what_can_never_succeed_ends_as_a_refusal(claude: Model, chat: Any, refusal: Reply) -> None:
    chat.says(*[refusal] * 6)
    with pytest.raises(ModelRefused):
        await ask(claude)


@pytest.mark.parametrize(
    "poor",
    [says(text("I would say eighty.")), says(call({"score": 900, "why": "x"}), stop_reason="tool_use")],
    ids=["prose", "a wrong value"],
)
async def test_an_answer_that_is_not_valid_is_corrected(claude: Model, chat: Any, poor: Reply) -> None:
    chat.says(poor, ANSWERS["a call"])
    assert (await ask(claude)).calls == 2
    assert "Answer again." in json.dumps(chat.requests[1]["messages"])
