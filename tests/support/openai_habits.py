"""What servers that speak OpenAI's chat completions are known to do, by how a message ends that meets it."""

import json
from typing import Any, Final

from openai_wire import error, says
from provider_replies import BROKEN_CONNECTIONS, PAGE, Good, Reply, Written, sends

FUNCTION: Final = "final_result"


def another(good: Good) -> Good:
    """Return an answer of the same type that says something else."""
    return {name: value // 4 if isinstance(value, int) else "NONE" for name, value in good.items()}


def spoilt(good: Good, value: Any) -> Good:
    """Return ``good`` with another value of its first field."""
    return {**good, next(iter(good)): value}


def function(good: Good) -> dict[str, Any]:
    return {"name": FUNCTION, "arguments": json.dumps(good)}


def call(good: Good, **changes: Any) -> dict[str, Any]:
    return {"id": "call_1", "type": "function", "function": function(good), **changes}


def called(good: Good, **changes: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": [call(good, **changes)]}


def with_arguments(arguments: Any) -> dict[str, Any]:
    return called({}, function={"name": FUNCTION, "arguments": arguments})


def words(content: Any) -> dict[str, Any]:
    return {"content": content}


text = json.dumps

MESSAGES: Final[dict[str, Any]] = {
    "arguments as an object": with_arguments,
    "arguments encoded twice": lambda good: with_arguments(text(text(good))),
    "arguments encoded three times": lambda good: with_arguments(text(text(text(good)))),
    "arguments in a fence": lambda good: with_arguments(f"```json\n{text(good)}\n```"),
    "arguments in prose": lambda good: with_arguments(f"Here they are: {text(good)}."),
    "arguments wrapped in the type's name": lambda good: with_arguments(text({"Verdict": good})),
    "arguments wrapped in arguments": lambda good: with_arguments({"arguments": text(good)}),
    "arguments wrapped in a call": lambda good: with_arguments({"name": FUNCTION, "arguments": good}),
    "arguments in a list": lambda good: with_arguments([good]),
    "a comma too many": lambda good: with_arguments(f"{text(good)[:-1]},}}"),
    "a key twice": lambda good: with_arguments(f"{text(good)[:-1]}, {text(good)[1:]}"),
    "no call id": lambda good: called(good, id=None),
    "a call id that is a number": lambda good: called(good, id=1),
    "no type of the call": lambda good: called(good, type=None),
    "another tool": lambda good: called(good, function={**function(good), "name": "search_the_web"}),
    "the same call twice": lambda good: {"tool_calls": [call(good), call(good, id="call_2")]},
    "parameters for arguments": lambda good: called(good, function={"name": FUNCTION, "parameters": good}),
    "a call without a function": lambda good: {"tool_calls": [{"name": FUNCTION, "arguments": good}]},
    "one call that is no list": lambda good: {"tool_calls": call(good)},
    "the former function_call": lambda good: {"content": None, "function_call": function(good)},
    "no role": lambda good: {"content": None, "tool_calls": [call(good)]},
    "words beside a call": lambda good: {"content": "Let me see.", "tool_calls": [call(good)]},
    "JSON as the text": lambda good: words(text(good)),
    "tool_calls null": lambda good: {"content": text(good), "tool_calls": None},
    "JSON in a fence": lambda good: words(f"Sure!\n```json\n{text(good)}\n```\nAnything else?"),
    "JSON in prose": lambda good: words(f"I would say {text(good)}, since she asked."),
    "JSON after thoughts": lambda good: words(f"<think>Is it {text(another(good))}? No.</think>{text(good)}"),
    "JSON after thoughts without a beginning": lambda good: words(f"Hm, well.</think>\n\n{text(good)}"),
    "JSON twice, the same": lambda good: words(f"{text(good)}\nThat is: {text(good)}"),
    "a call in the text": lambda good: words(text({"name": FUNCTION, "arguments": good})),
    "JSON in an XML tag": lambda good: words(f"<tool_call>\n{text(function(good))}\n</tool_call>"),
    "text in parts": lambda good: words(
        [{"type": "text", "text": text(good)[:9]}, {"type": "text", "text": text(good)[9:]}]
    ),
}
"""Messages of an answer, by the right answer; all of them say it."""

WHOLE: Final[dict[str, dict[str, Any]]] = {
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
"""Fields beside the message."""

FINISHES: Final = (None, "", "eos", "end_turn", "STOP", "length", 7)


def _message(what: str) -> Written:
    return lambda good: says(MESSAGES[what](good), None)


def _whole(changes: dict[str, Any]) -> Written:
    return lambda good: says(called(good), **changes)


def _finish(finish: Any) -> Written:
    return lambda good: says(called(good), finish)


TAKEN: Final[dict[str, Written]] = {
    **{what: _message(what) for what in MESSAGES},
    **{what: _whole(changes) for what, changes in WHOLE.items()},
    **{f"finish_reason {finish!r}": _finish(finish) for finish in FINISHES},
}
"""What they say counts, not how they write it."""

UNCLEAR: Final[dict[str, Written]] = {
    "JSON twice, not the same": lambda good: says(words(f"{text(good)} or rather {text(another(good))}")),
    "two answers in a call": lambda good: says(with_arguments({"Verdict": good, "Other": another(good)})),
    "arguments null": lambda _: says(with_arguments(None)),
    "arguments that are prose": lambda _: says(with_arguments("eighty")),
    "arguments that are no number": lambda good: says(with_arguments(text(spoilt(good, float("nan"))))),
    "arguments cut short": lambda good: says(with_arguments(text(good)[:9])),
    "an empty object": lambda _: says(with_arguments({})),
    "prose": lambda _: says(words("I would say eighty.")),
    "a value that is none of the choices": lambda good: says(called(spoilt(good, "no_such_agent"))),
    "a value of a wrong type": lambda good: says(called(spoilt(good, [{}]))),
    "a text cut at its bound": lambda good: says(words(text(good)[:5]), "length"),
    "a megabyte": lambda good: says(called({**good, list(good)[-1]: "eighty " * 150_000})),
}
"""No answer yet: the model is told what is wrong with it. One that stays so is refused."""

_CHUNK = 'data: {"choices": [{"delta": {"content": "80"}}]}\n\ndata: [DONE]\n\n'
NO_ANSWERS: Final[dict[str, Reply]] = {
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
    "a list": sends(200, [{"score": 80}]),
    "a text": sends(200, '"80"'),
    "null": sends(200, "null"),
    "nothing": sends(200, ""),
    "204": sends(204, ""),
    "202": sends(202, {"status": "queued"}),
    "a login page": sends(302, "", location="/login"),
    "a stream": sends(200, _CHUNK, "text/event-stream"),
    "no text": sends(200, b"\xff\xfe\x00\x01"),
    "nesting": sends(200, b"[" * 100_000),
    "4 MB": sends(200, b'"' + b"x" * 5_000_000 + b'"'),
    "500": error(500, "out of order"),
    "a 502 page": sends(502, PAGE, "text/html"),
    "a 404 page": sends(404, PAGE, "text/html"),
    "gzip that is none": sends(200, b"no gzip", content_encoding="gzip"),
}
"""What is no chat completion."""

_THROTTLED = (
    "litellm.ServiceUnavailableError: BedrockException - Too many tokens, please wait before trying again."
)
_FILTER_PAGE = "<html>403 content_filter policy: WAF blocked</html>"
BAD_MOMENTS: Final[dict[str, Reply]] = {
    "LiteLLM's throttling": error(503, _THROTTLED, type="throttling_error"),
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
    "a 502 page that speaks of a size": sends(
        502, "<html>502: upstream said: Request Too Large</html>", "text/html"
    ),
    "a 504 page": sends(504, "<html>504: upstream said: Request Too Large</html>", "text/html"),
    "a 500 page with words": sends(500, "<html>Context size has been exceeded.</html>", "text/html"),
    "a 400 page": sends(
        400, "<html>Request header too large: context length of buffer exceeded</html>", "text/html"
    ),
    "a 400 page with a whole sentence": sends(
        400, "<html>This model's maximum context length is 8192 tokens</html>", "text/html"
    ),
    "a 400 text": sends(400, "prompt is too long: 210000 tokens > 200000 maximum", "text/plain"),
    "a 400 page of a filter": sends(400, "<html>blocked by content filter of the proxy</html>", "text/html"),
    "a WAF's page": sends(403, _FILTER_PAGE, "text/html"),
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
"""Errors of the moment, whatever words they use."""

NEVER: Final[dict[str, Reply]] = {
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
"""It can't take this message, now or later: it is refused."""

OPERATORS: Final[dict[str, Reply]] = {
    "401": error(401, "invalid api key"),
    "402": error(402, "no credit is left"),
    "403": error(403, "this key may not use the model"),
    "404": error(404, "model_not_found"),
    "429": error(429, "slow down"),
    "429 with Retry-After": sends(429, {"error": {"message": "slow down"}}, retry_after="1"),
}
"""What an operator must mend, or the account must wait for: it is the same for every message."""

WAITED_FOR: Final = {**NO_ANSWERS, **BAD_MOMENTS, **OPERATORS, **BROKEN_CONNECTIONS}
"""It says nothing of the message."""
