"""Servers' and small models' habits are taken: what they say counts, not how they write it."""

import json
from typing import Any

import pytest
from fastapi import Response
from pydantic import BaseModel, Field

from signalbox.models import Model, ModelSettings
from signalbox.models.chat_answers import NoCompletion, read_completion


class Verdict(BaseModel):
    score: int = Field(ge=0, le=100)
    why: str


GOOD = {"score": 80, "why": "asked for a demo"}
TEXT = json.dumps(GOOD)
FUNCTION = {"name": "final_result", "arguments": TEXT}
CALL = {"id": "call_1", "type": "function", "function": FUNCTION}


def called(**changes: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": [{**CALL, **changes}]}


def with_arguments(arguments: Any) -> dict[str, Any]:
    return called(function={**FUNCTION, "arguments": arguments})


MESSAGES: dict[str, Any] = {
    "arguments as an object": with_arguments(GOOD),
    "arguments encoded twice": with_arguments(json.dumps(TEXT)),
    "arguments encoded three times": with_arguments(json.dumps(json.dumps(TEXT))),
    "arguments in a fence": with_arguments(f"```json\n{TEXT}\n```"),
    "arguments in prose": with_arguments(f"Here they are: {TEXT}."),
    "arguments wrapped in the type's name": with_arguments(json.dumps({"Verdict": GOOD})),
    "arguments wrapped in arguments": with_arguments({"arguments": TEXT}),
    "arguments wrapped in a call": with_arguments({"name": "final_result", "arguments": GOOD}),
    "arguments in a list": with_arguments([GOOD]),
    "a comma too many": with_arguments('{"score": 80, "why": "asked for a demo",}'),
    "no call id": called(id=None),
    "a call id that is a number": called(id=1),
    "no type of the call": called(type=None),
    "another name of the tool": called(function={**FUNCTION, "name": "Verdict"}),
    "parameters for arguments": called(function={"name": "final_result", "parameters": GOOD}),
    "a call without a function": {"tool_calls": [{"name": "final_result", "arguments": GOOD}]},
    "one call that is no list": {"tool_calls": CALL},
    "the former function_call": {"content": None, "function_call": FUNCTION},
    "no role": {"content": None, "tool_calls": [CALL]},
    "JSON as the text": {"content": TEXT},
    "tool_calls null": {"content": TEXT, "tool_calls": None},
    "JSON in a fence": {"content": f"Sure!\n```json\n{TEXT}\n```\nAnything else?"},
    "JSON in prose": {"content": f"I would say {TEXT}, since she asked."},
    "JSON after thoughts": {"content": f'<think>Is it {{"score": 1, "why": "x"}}? No.</think>{TEXT}'},
    "JSON after thoughts without a beginning": {"content": f"Hm, well.</think>\n\n{TEXT}"},
    "JSON twice, the same": {"content": f"{TEXT}\nThat is: {TEXT}"},
    "a call in the text": {"content": json.dumps({"name": "final_result", "arguments": GOOD})},
    "JSON in an XML tag": {"content": f"<tool_call>\n{json.dumps(FUNCTION)}\n</tool_call>"},
    "text in parts": {"content": [{"type": "text", "text": TEXT[:9]}, {"type": "text", "text": TEXT[9:]}]},
}

WHOLE: dict[str, dict[str, Any]] = {
    "usage null": {"usage": None},
    "tokens null": {"usage": {"prompt_tokens": None, "completion_tokens": None, "total_tokens": None}},
    "tokens as floats": {"usage": {"prompt_tokens": 11.0, "completion_tokens": 7.0}},
    "tokens as texts": {"usage": {"prompt_tokens": "eleven", "completion_tokens": "7"}},
    "tokens that are infinite": {"usage": {"prompt_tokens": 1e400, "completion_tokens": -3}},
    "usage that is a list": {"usage": []},
    "created null": {"created": None},
    "created a float": {"created": 1767323045.25},
    "created a text": {"created": "2026-01-02T03:04:05Z"},
    "model null": {"model": None},
    "id null": {"id": None},
    "object of another name": {"object": "text_completion"},
    "error null": {"error": None},
}


def completion(message: Any, **more: Any) -> dict[str, Any]:
    whole = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "usage": None}
    return {**whole, "choices": [{"index": 0, "message": message, "finish_reason": None}], **more}


async def asked(model: Model, chat: Any, answer: Any) -> Verdict:
    chat.says(lambda _: Response(json.dumps(answer), media_type="application/json; charset=utf-8"))
    done = await model.complete(
        task="score",
        instructions="Score the lead.",
        prompt="Ada",
        output_type=Verdict,
        stand_in=lambda: pytest.fail("a real model needs no stand-in"),
        message_id="m-1",
    )
    return done.output


@pytest.mark.parametrize("what", MESSAGES)
async def test_an_answer_is_taken_however_its_message_is_written(model: Model, chat: Any, what: str) -> None:
    assert await asked(model, chat, completion(MESSAGES[what])) == Verdict(**GOOD)
    assert len(chat.requests) == 1


@pytest.mark.parametrize("what", WHOLE)
async def test_an_answer_is_taken_however_the_rest_is_written(model: Model, chat: Any, what: str) -> None:
    assert await asked(model, chat, completion(called(), **WHOLE[what])) == Verdict(**GOOD)


@pytest.mark.parametrize("finish", [None, "", "eos", "end_turn", "STOP", "length", 7])
async def test_an_answer_is_taken_whatever_it_says_about_its_end(
    model: Model, chat: Any, finish: Any
) -> None:
    answer = {"choices": [{"message": called(), "finish_reason": finish}]}
    assert await asked(model, chat, answer) == Verdict(**GOOD)


@pytest.mark.parametrize(
    "bad",
    [
        {"content": f'{TEXT} or rather {{"score": 20, "why": "no budget"}}'},
        with_arguments({"Verdict": GOOD, "Other": {"score": 20, "why": "no budget"}}),
        with_arguments(None),
        with_arguments("eighty"),
        with_arguments('{"score": NaN, "why": "x"}'),
        {"content": "I would say eighty."},
    ],
    ids=str,
)
async def test_an_answer_that_is_not_clear_is_corrected_by_the_model(
    model: Model, chat: Any, bad: Any
) -> None:
    answer = json.dumps(completion(bad))
    chat.says(lambda _: Response(answer, media_type="application/json"))
    assert await asked(model, chat, completion(called())) == Verdict(**GOOD)
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
    assert await asked(model, chat, completion(with_arguments(GOOD), created=1.5)) == Verdict(**GOOD)
