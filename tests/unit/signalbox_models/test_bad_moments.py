"""What is no chat completion is a bad moment; what can never succeed is refused; the rest is an answer."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import Response
from pydantic import BaseModel, Field

from signalbox.models import Completion, Model, ModelRefused, ModelSettings
from signalbox.models.unanswerable import why_unanswerable
from signalbox.protocol.errors import NotAnAnswer, Unavailable


class Verdict(BaseModel):
    score: int = Field(ge=0, le=100)
    why: str


GOOD = {"score": 80, "why": "asked for a demo"}
LONG = "Ada of Analytical Engines asks for a demo. " * 100
Reply = Callable[[dict[str, Any]], Response]


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


def sends(status: int, body: Any, kind: str = "application/json", **headers: str) -> Reply:
    content = body if isinstance(body, bytes | str) else json.dumps(body)
    return lambda _: Response(content, status, headers, kind)


def says(message: Any, finish: Any = "stop", **more: Any) -> Reply:
    return sends(
        200, {"id": "1", "choices": [{"index": 0, "message": message, "finish_reason": finish}], **more}
    )


def error(status: int, message: str, **more: Any) -> Reply:
    return sends(status, {"error": {"message": message, **more}})


PAGE = "<html><body><h1>502 Bad Gateway</h1></body></html>"
CHUNK = 'data: {"choices": [{"delta": {"content": "80"}}]}\n\ndata: [DONE]\n\n'
NO_ANSWERS: dict[str, Reply] = {
    "an error in a 200": error(200, "upstream failed", code=502),
    "an error that is a text": sends(200, {"error": "model is loading"}),
    "choices null": sends(200, {"id": "1", "choices": None}),
    "no choices": sends(200, {"id": "1", "choices": []}),
    "a choice that is null": sends(200, {"choices": [None]}),
    "a message that is null": says(None),
    "a message that is a text": says("80"),
    "an error in the choice": sends(200, {"choices": [{"message": {}, "error": {"code": 502}}]}),
    "finish_reason error": says({"content": "partly"}, "error"),
    "content null without calls": says({"role": "assistant", "content": None}),
    "content of blanks": says({"content": " \n"}),
    "thoughts alone": says({"content": "<think>Hm."}),
    "a page": sends(200, PAGE, "text/html"),
    "a page as JSON": sends(200, PAGE),
    "JSON as a page": sends(200, {"choices": []}, "text/html"),
    "JSON cut short": sends(200, '{"id": "1", "choices": [{"ind'),
    "another API": sends(200, {"type": "message", "content": [{"type": "text", "text": "80"}]}),
    "a list": sends(200, [GOOD]),
    "a text": sends(200, '"80"'),
    "null": sends(200, "null"),
    "nothing": sends(200, ""),
    "204": sends(204, ""),
    "202": sends(202, {"status": "queued"}),
    "a login page": sends(302, "", location="/login"),
    "a stream": sends(200, CHUNK, "text/event-stream"),
    "no text": sends(200, b"\xff\xfe\x00\x01"),
    "nesting": sends(200, b"[" * 100_000),
    "4 MB": sends(200, b'"' + b"x" * 5_000_000 + b'"'),
    "500": error(500, "out of order"),
    "a 502 page": sends(502, PAGE, "text/html"),
    "a 404 page": sends(404, PAGE, "text/html"),
    "gzip that is none": sends(200, b"no gzip", content_encoding="gzip"),
}


@pytest.mark.parametrize("what", NO_ANSWERS)
async def test_what_is_no_answer_is_a_bad_moment_and_the_next_one_is_taken(
    model: Model, chat: Any, what: str
) -> None:
    chat.says(NO_ANSWERS[what], chat.tool_call(GOOD))
    with pytest.raises(Unavailable):
        await ask(model)
    assert (await ask(model)).output == Verdict(**GOOD)
    assert len(chat.requests) == 2


THROTTLED = (
    "litellm.ServiceUnavailableError: BedrockException - Too many tokens, please wait before trying again."
)
FILTER_PAGE = "<html>403 content_filter policy: WAF blocked</html>"
BAD_MOMENTS: dict[str, Reply] = {
    "LiteLLM's throttling": error(503, THROTTLED, type="throttling_error"),
    "throttling as a 400": error(400, "Too many tokens, please wait before trying again."),
    "throttling as a 529": error(529, "Too many tokens per minute", type="overloaded_error"),
    "throttling as a 422": error(422, "Rate limit reached for this organization"),
    "throttling by its type": error(
        400, "prompt is too long: 9 tokens", code=429, type="ThrottlingException"
    ),
    "a rate": error(429, "Request too large for gpt-4 on tokens per min: Limit 900, Used 890, Requested 20"),
    "a rate that is full": error(429, "Request too large for gpt-4 on TPM: Limit 900, Requested 100"),
    "a quota": error(429, "You exceeded your quota; reduce the length of the messages"),
    "a quota as a 400": error(400, "maximum context length is 4096 tokens for your quota"),
    "a 5xx with a code": error(503, "no upstream", code="context_length_exceeded"),
    "a 5xx with a sentence": error(502, "This model's maximum context length is 8192 tokens"),
    "a gateway before llama.cpp": error(503, "the request exceeds the available context size"),
    "a 5xx inside a 400": error(400, "This model's maximum context length is 8192 tokens", code="503"),
    "a 5xx inside a 200": error(200, "This endpoint's maximum context length is 8192 tokens", code=503),
    "a 500 that gives up": error(500, "context deadline exceeded"),
    "retries": error(400, "context canceled: maximum context retries"),
    "a 502 page": sends(502, "<html>502: upstream said: Request Too Large</html>", "text/html"),
    "a 504 page": sends(504, "<html>504: upstream said: Request Too Large</html>", "text/html"),
    "a 500 page": sends(500, "<html>Context size has been exceeded.</html>", "text/html"),
    "a 400 page": sends(
        400, "<html>Request header too large: context length of buffer exceeded</html>", "text/html"
    ),
    "a 400 page with a whole sentence": sends(
        400, "<html>This model's maximum context length is 8192 tokens</html>", "text/html"
    ),
    "a 400 text": sends(400, "prompt is too long: 210000 tokens > 200000 maximum", "text/plain"),
    "a 400 page of a filter": sends(400, "<html>blocked by content filter of the proxy</html>", "text/html"),
    "a WAF's page": sends(403, FILTER_PAGE, "text/html"),
    "a WAF's page that flags": sends(403, "<html>Your address has been flagged.</html>", "text/html"),
    "a WAF's text as JSON": sends(403, {"error": "content_filter policy: WAF blocked, flagged"}),
    "a WAF's JSON as a page": sends(403, {"error": {"code": "content_filter"}}, "text/html"),
    "a key that was flagged": error(403, "Your key was flagged", code="forbidden"),
    "a 422 page": sends(422, "<html>Unprocessable</html>", "text/html"),
    "a 422 text": sends(422, "Unprocessable", "text/plain"),
    "a 422 of nothing": sends(422, {}),
    "a list of errors": sends(400, [{"error": {"message": "x"}}, {"error": {"code": "content_filter"}}]),
    "words that are quoted": error(400, "bad request: no such user 'context length'"),
}


@pytest.mark.parametrize("what", BAD_MOMENTS)
async def test_a_bad_moment_is_waited_for_whatever_words_it_uses(model: Model, chat: Any, what: str) -> None:
    chat.says(BAD_MOMENTS[what], chat.tool_call(GOOD))
    with pytest.raises(Unavailable):
        await ask(model, prompt=LONG)
    assert (await ask(model, prompt=LONG)).output == Verdict(**GOOD)
    assert len(chat.requests) == 2


NEVER: dict[str, Reply] = {
    "llama.cpp": error(
        400, "the request exceeds the available context size", type="exceed_context_size_error"
    ),
    "llama.cpp while it writes": error(500, "Context size has been exceeded."),
    "OpenAI": error(
        400, "This model's maximum context length is 8192 tokens", code="context_length_exceeded"
    ),
    "OpenAI's rate": error(429, "Request too large for gpt-4 on tokens per min: Limit 100, Requested 900"),
    "vLLM": error(400, "maximum context length is 4096 tokens. Please reduce the length of the messages"),
    "Anthropic": error(400, "prompt is too long: 210000 tokens > 200000 maximum"),
    "LM Studio": sends(400, {"error": "Trying to keep the first 9000 tokens when context the overflows."}),
    "Bedrock": error(400, "Input is too long for requested model."),
    "TGI": sends(422, {"error": "`inputs` tokens + `max_new_tokens` must be <= 4096"}),
    "OpenRouter in a 200": error(200, "This endpoint's maximum context length is 8192 tokens", code=400),
    "nginx": sends(413, "<html>413 Request Entity Too Large</html>", "text/html"),
    "a 422": sends(422, {"detail": "unprocessable"}),
    "Azure": error(
        400,
        "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
        code="content_filter",
        innererror={"code": "ResponsibleAIPolicyViolation"},
    ),
    "OpenAI's filter": error(400, "Invalid prompt: your prompt was flagged", code="invalid_prompt"),
    "OpenRouter's filter": error(403, "requires moderation", metadata={"flagged_input": "x"}),
    "Qwen": error(400, "Input data may contain inappropriate content.", code="data_inspection_failed"),
    "llama.cpp's 500": error(
        500,
        "request (1407 tokens) exceeds the available context size (256 tokens), try increasing it",
        code=500,
        type="exceed_context_size_error",
    ),
    "LiteLLM": error(
        400,
        "litellm.ContextWindowExceededError: litellm.BadRequestError: OpenAIException - too long",
        type=None,
        code="400",
    ),
    "Anthropic behind LiteLLM": error(
        400,
        'litellm.BadRequestError: AnthropicException - {"type":"error","error":{"type":'
        '"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}',
        code="400",
    ),
    "Anthropic behind OpenRouter": error(
        400,
        "Provider returned error",
        code=400,
        metadata={"raw": '{"type":"error","error":{"message":"prompt is too long: 9 tokens > 8 maximum"}}'},
    ),
    "Google": sends(
        400,
        [
            {
                "error": {
                    "code": 400,
                    "message": "The input token count (9) exceeds the maximum number of tokens allowed (8).",
                    "status": "INVALID_ARGUMENT",
                }
            }
        ],
    ),
    "vLLM of old": sends(
        400,
        {
            "object": "error",
            "message": "This model's maximum context length is 4096 tokens. However, you requested 5000",
            "type": "BadRequestError",
            "param": None,
            "code": 400,
        },
    ),
    "Mistral": sends(
        400,
        {
            "object": "error",
            "message": "Prompt contains 9 tokens, too large for model with 8 maximum context length",
            "type": "invalid_request_error",
            "code": "3051",
        },
    ),
    "Cohere": sends(
        400, {"message": "too many tokens: total number of tokens in the prompt cannot exceed 8"}
    ),
    "LiteLLM's filter": error(400, "litellm.ContentPolicyViolationError: AzureException", code="400"),
    "xAI's filter": sends(
        403,
        {
            "code": "forbidden",
            "error": "Content violates usage guidelines. Failed check: SAFETY_CHECK_TYPE_BIO",
        },
    ),
    "a filter's 403": error(403, "blocked", code="content_filter", innererror={"code": "x"}),
    "finish_reason": says({"content": "I"}, "content_filter"),
    "a refusal": says({"content": None, "refusal": "I can't help with that."}),
}


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
    await ask(model, prompt=LONG, shorter="Ada, in short")
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
