"""The code path of real models, against a real HTTP server on loopback that speaks OpenAI's protocol."""

import json
import sys
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from signalbox.models import Completion, Model, ModelRefused, ModelSettings
from signalbox.protocol.errors import ConfigurationError, Unavailable


class Verdict(BaseModel):
    score: int = Field(ge=0, le=100)
    why: str


GOOD = {"score": 80, "why": "asked for a demo"}


async def ask(model: Model, **more: Any) -> Completion[Verdict]:
    return await model.complete(
        **{
            "task": "score",
            "instructions": "Score the lead.",
            "prompt": "Ada of Analytical Engines asks for a demo.",
            "output_type": Verdict,
            "stand_in": lambda: pytest.fail("a real model needs no stand-in"),
            "message_id": "m-1",
            **more,
        }
    )


def logged(call_log: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in call_log.read_text().splitlines()]


async def test_an_answer_by_tool_call_becomes_the_output_type(model: Model, chat: Any) -> None:
    chat.says(chat.tool_call(GOOD))
    completion = await ask(model)
    assert completion == Completion(Verdict(**GOOD), "openai:scripted-1", 1, 11, 7)
    assert completion.tokens == 18


async def test_the_request_carries_instructions_prompt_key_and_the_bare_model_name(
    model: Model, chat: Any
) -> None:
    chat.says(chat.tool_call(GOOD))
    await ask(model)
    [request] = chat.requests
    assert request["model"] == "scripted-1"
    assert "Score the lead." in json.dumps(request["messages"])
    assert "Analytical Engines" in request["messages"][-1]["content"]
    assert chat.authorizations == ["Bearer secret-key"]


async def test_an_invalid_answer_is_told_to_the_model_and_corrected(model: Model, chat: Any) -> None:
    chat.says(chat.tool_call({"score": 900, "why": "x"}), chat.tool_call(GOOD))
    completion = await ask(model)
    assert (completion.output.score, completion.calls) == (80, 2)
    assert (completion.input_tokens, completion.output_tokens) == (22, 14)
    assert "less than or equal to 100" in json.dumps(chat.requests[1]["messages"])


async def test_truncated_tool_arguments_and_answers_in_words_are_corrected_too(
    model: Model, chat: Any
) -> None:
    chat.says(chat.tool_call('{"score": 8'), chat.text("I would say eighty."), chat.tool_call(GOOD))
    assert (await ask(model)).calls == 3


async def test_an_answer_of_a_megabyte_is_not_sent_back_with_the_retry(model: Model, chat: Any) -> None:
    endless = "eighty " * 150_000
    chat.says(chat.tool_call({"score": 80, "why": endless}), chat.text(endless), chat.tool_call(GOOD))
    completion = await ask(model)
    assert (completion.output, completion.calls) == (Verdict(**GOOD), 3)
    assert max(len(json.dumps(request)) for request in chat.requests) < 10_000


async def test_answers_that_stay_invalid_are_refused_with_what_they_cost(model: Model, chat: Any) -> None:
    chat.says(*[chat.tool_call({"score": 900, "why": "x"})] * 3)
    with pytest.raises(ModelRefused) as refused:
        await ask(model)
    assert (refused.value.calls, refused.value.input_tokens, refused.value.output_tokens) == (3, 33, 21)
    assert not refused.value.violated_check
    assert "less than or equal to 100" in refused.value.detail


async def test_what_the_check_says_is_told_to_the_model(model: Model, chat: Any) -> None:
    chat.says(chat.tool_call({"score": 1, "why": "short"}), chat.tool_call(GOOD))
    completion = await ask(model, check=lambda verdict: "name the demo" if verdict.why == "short" else None)
    assert completion.output.why == "asked for a demo"
    assert "name the demo" in json.dumps(chat.requests[1]["messages"])


async def test_a_check_that_is_never_met_is_refused_and_says_so(model: Model, chat: Any) -> None:
    chat.says(*[chat.tool_call(GOOD)] * 3)
    with pytest.raises(ModelRefused, match="never good enough") as refused:
        await ask(model, check=lambda _: "never good enough")
    assert (refused.value.violated_check, refused.value.calls) == (True, 3)


async def test_an_answer_outside_an_enumeration_made_at_run_time_is_corrected(
    model: Model, chat: Any
) -> None:
    choice = Literal[("lead_scoring", "NONE")]  # type: ignore[valid-type]
    chat.says(chat.tool_call({"response": "root"}), chat.tool_call({"response": "NONE"}))
    completion = await ask(model, output_type=choice)
    assert (completion.output, completion.calls) == ("NONE", 2)


async def test_too_many_requests_is_unavailable_for_as_long_as_the_server_says(
    model: Model, chat: Any
) -> None:
    chat.says(chat.status(429, retry_after="7"))
    with pytest.raises(Unavailable) as unavailable:
        await ask(model)
    assert unavailable.value.retry_after == 7


@pytest.mark.parametrize("code", [500, 502, 503, 529])
async def test_a_failing_server_is_unavailable_and_asked_once(model: Model, chat: Any, code: int) -> None:
    chat.says(chat.status(code))
    with pytest.raises(Unavailable, match=str(code)):
        await ask(model)
    assert len(chat.requests) == 1


@pytest.mark.parametrize("code", [400, 401, 403, 404])
async def test_a_rejected_request_is_the_operators_matter_and_never_the_messages(
    model: Model, chat: Any, code: int
) -> None:
    chat.says(chat.status(code))
    with pytest.raises(Unavailable, match=f"scripted {code}"):
        await ask(model)


async def test_a_truncated_response_is_unavailable(model: Model, chat: Any) -> None:
    chat.says(chat.raw(b'{"id": "chatcmpl-1", "choices": [{"ind'))
    with pytest.raises(Unavailable):
        await ask(model)


async def test_a_response_of_another_shape_is_not_taken_for_an_answer(model: Model, chat: Any) -> None:
    chat.says(chat.raw(b'{"hello": "world"}'))
    with pytest.raises((Unavailable, ModelRefused)):
        await ask(model)


async def test_a_server_that_hangs_is_unavailable_after_the_time_out(chat: Any) -> None:
    chat.says(chat.hang())
    with pytest.raises(Unavailable, match="scripted-1"):
        await ask(Model("scripted-1", ModelSettings(base_url=chat.url, timeout_s=0.2)))


async def test_a_server_that_is_not_there_is_unavailable(unused_tcp_port: int) -> None:
    settings = ModelSettings(base_url=f"http://127.0.0.1:{unused_tcp_port}/v1", timeout_s=10)
    with pytest.raises(Unavailable):
        await ask(Model("scripted-1", settings))


async def test_each_request_is_a_line_of_the_call_log_failed_ones_too(
    model: Model, chat: Any, call_log: Path
) -> None:
    chat.says(chat.tool_call({"score": 900, "why": "x"}), chat.tool_call(GOOD), chat.status(500))
    await ask(model, message_id="m-1")
    with pytest.raises(Unavailable):
        await ask(model, message_id="m-2")
    assert [line["message_id"] for line in logged(call_log)] == ["m-1", "m-1", "m-2"]
    assert set(logged(call_log)[0]) == {"time", "task", "message_id", "model"}
    assert len(logged(call_log)) == len(chat.requests)


async def test_a_local_model_with_a_colon_in_its_name_keeps_it(chat: Any) -> None:
    chat.says(chat.tool_call(GOOD))
    await ask(Model("llama3.2:3b", ModelSettings(base_url=chat.url, output="tool")))
    assert chat.requests[0]["model"] == "llama3.2:3b"


@pytest.mark.parametrize("name", ["no-such-provider:x", "gibberish"])
def test_a_name_that_means_nothing_is_a_configuration_error(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Model(name, ModelSettings())


def test_a_provider_whose_client_is_missing_is_told_with_what_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "mistralai", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'signalbox-core\[mistral\]'"):
        Model("mistral:mistral-small-latest", ModelSettings(api_key="k"))


def test_a_provider_without_its_key_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="API_KEY"):
        Model("openai:gpt-5", ModelSettings())


def test_the_key_setting_serves_any_provider() -> None:
    assert Model("openai:gpt-5", ModelSettings(api_key="k")).name == "openai:gpt-5"
