"""What is no chat completion is a bad moment; what can never succeed is refused; the rest is an answer."""

from typing import Any

import pytest
from pydantic import BaseModel, Field

from openai_habits import BAD_MOMENTS, NEVER, NO_ANSWERS
from openai_wire import error
from signalbox.models import Completion, Model, ModelRefused, ModelSettings
from signalbox.models.unanswerable import why_unanswerable
from signalbox.protocol.errors import NotAnAnswer, Unavailable


class Verdict(BaseModel):
    score: int = Field(ge=0, le=100)
    why: str


GOOD = {"score": 80, "why": "asked for a demo"}
LONG = "Ada of Analytical Engines asks for a demo. " * 100


async def ask(model: Model, message_id: str = "m-1", prompt: str = "Ada", **more: Any) -> Completion[Verdict]:
    return await model.complete(
        task="score",
        instructions="Score the lead.",
        prompt=prompt,
        output_type=Verdict,
        stand_in=lambda: pytest.fail("a real model needs no stand-in"),
        message_id=message_id,
        **more,
    )


@pytest.mark.parametrize("what", NO_ANSWERS)
async def test_what_is_no_answer_is_a_bad_moment_and_the_next_one_is_taken(
    model: Model, chat: Any, what: str
) -> None:
    chat.says(NO_ANSWERS[what], chat.tool_call(GOOD))
    with pytest.raises(Unavailable):
        await ask(model)
    assert (await ask(model)).output == Verdict(**GOOD)
    assert len(chat.requests) == 2


@pytest.mark.parametrize("what", BAD_MOMENTS)
async def test_a_bad_moment_is_waited_for_whatever_words_it_uses(model: Model, chat: Any, what: str) -> None:
    chat.says(BAD_MOMENTS[what], chat.tool_call(GOOD))
    with pytest.raises(Unavailable):
        await ask(model, prompt=LONG)
    assert (await ask(model, prompt=LONG)).output == Verdict(**GOOD)
    assert len(chat.requests) == 2


@pytest.mark.parametrize("what", NEVER)
async def test_a_request_that_can_never_succeed_is_cut_once_then_refused_with_the_cause(
    model: Model, chat: Any, what: str
) -> None:
    chat.says(NEVER[what], NEVER[what])
    with pytest.raises(ModelRefused, match=r"too long|filter|process|declined") as refused:
        await ask(model, prompt=LONG)
    assert refused.value.calls == 2
    sizes = [len(request["messages"][-1]["content"]) for request in chat.requests]
    assert sizes == [len(LONG), len(LONG) // 4]


@pytest.mark.parametrize("what", NEVER)
async def test_a_prompt_that_was_cut_may_be_answered(model: Model, chat: Any, what: str) -> None:
    chat.says(NEVER[what], chat.tool_call(GOOD))
    assert (await ask(model, prompt=LONG)).output == Verdict(**GOOD)


@pytest.mark.parametrize(
    ("status", "body", "refused"),
    [
        (
            400,
            {"Error": {"Code": "ValidationException", "Message": "Input is too long for requested model."}},
            True,
        ),
        (400, {"Error": {"Code": "ThrottlingException", "Message": "prompt is too long: 9 tokens"}}, False),
        (400, {"message": "maximum context length is 8192 tokens", "code": None}, True),
        (400, "<html>maximum context length is 8192 tokens</html>", False),
        (400, b"prompt is too long: 9 tokens", False),
        (400, None, False),
        (413, None, True),
    ],
)
def test_what_other_clients_have_read_is_judged_by_the_same_forms(
    status: int, body: object, refused: bool
) -> None:
    assert (why_unanswerable(status, body) is not None) == refused


async def test_the_caller_may_say_what_a_shorter_prompt_is(model: Model, chat: Any) -> None:
    chat.says(NEVER["OpenAI"], chat.tool_call(GOOD))
    await ask(model, prompt=LONG, shorter=lambda: "Ada, in short")
    assert chat.requests[1]["messages"][-1]["content"] == "Ada, in short"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "your key was flagged"),
        (403, "this key may not use the model; see our content_policy_violation page"),
        (404, "model_not_found: no model with this context length"),
        (429, "Rate limit reached; reduce the length of your bursts"),
        (503, "flagged for maintenance"),
    ],
)
async def test_what_concerns_every_message_is_waited_for_whatever_words_it_uses(
    model: Model, chat: Any, status: int, said: str
) -> None:
    for _ in range(30):
        chat.says(error(status, said), chat.tool_call(GOOD))
        if status != 503:
            with pytest.raises(Unavailable) as waiting:
                await ask(model, "m-1")
            assert not isinstance(waiting.value, NotAnAnswer)
            await ask(model, "m-2")
        else:
            with pytest.raises(NotAnAnswer):
                await ask(model, "m-1")
            chat.replies.clear()


async def test_a_message_that_alone_has_no_answer_is_refused_when_others_have_one(
    model: Model, chat: Any
) -> None:
    waited = 0
    while True:
        chat.says(error(500, "it crashed"), *[chat.tool_call(GOOD)] * 3)
        try:
            await ask(model, "bad")
        except Unavailable:
            waited += 1
        except ModelRefused as refused:
            assert "never this message" in refused.detail
            break
        for other in range(3):
            await ask(model, f"good-{other}")
    assert 7 <= waited <= 12


async def test_a_message_waits_as_long_as_no_other_is_answered(model: Model, chat: Any) -> None:
    for number in range(60):
        chat.says(error(500, "it crashed"))
        with pytest.raises(Unavailable):
            await ask(model, f"m-{number % 4}")


async def test_a_server_that_fails_half_of_all_requests_costs_no_message(model: Model, chat: Any) -> None:
    for number in range(40):
        chat.says(error(500, "it crashed"), error(500, "it crashed"), chat.tool_call(GOOD))
        for _ in range(2):
            with pytest.raises(Unavailable):
                await ask(model, f"m-{number}")
        await ask(model, f"m-{number}")


async def test_one_server_that_is_not_there_is_never_the_messages_fault(unused_tcp_port: int) -> None:
    settings = ModelSettings(base_url=f"http://127.0.0.1:{unused_tcp_port}/v1", timeout_s=10)
    with pytest.raises(Unavailable) as away:
        await ask(Model("scripted-1", settings))
    assert not isinstance(away.value, NotAnAnswer)
