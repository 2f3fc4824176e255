"""What servers that speak Anthropic's messages are known to do, by how a message ends that meets it."""

import json
from typing import Any, Final

from anthropic_wire import call, error, says, text
from provider_replies import BROKEN_CONNECTIONS, PAGE, Good, Reply, Written, sends


def _said(good: Good, words: str = "{}") -> Reply:
    return says(text(words.format(json.dumps(good))))


def _called(arguments: Any) -> Reply:
    return says(call(arguments), stop_reason="tool_use")


TAKEN: Final[dict[str, Written]] = {
    "text": _said,
    "text in a fence": lambda good: _said(good, "Sure!\n```json\n{}\n```"),
    "a call": _called,
    "a call after words": lambda good: says(text("Let me see."), call(good), stop_reason="tool_use"),
    "a call of another tool": lambda good: says(call(good, "search_the_web"), stop_reason="tool_use"),
    "the same call twice": lambda good: says(call(good), call(good), stop_reason="tool_use"),
    "a call that is wrapped": lambda good: _called({"answer": good}),
    "a call that is encoded": lambda good: _called({"answer": json.dumps(good)}),
    "text without its type": lambda good: says({"text": json.dumps(good)}),
    "text after thoughts": lambda good: _said(good, "<thinking>Hm.</thinking>{}"),
}
"""What they say counts, not how they write it."""

UNCLEAR: Final[dict[str, Written]] = {
    "prose": lambda _: says(text("I would say eighty.")),
    "a wrong value": lambda good: _called({**good, next(iter(good)): "no_such_agent"}),
    "a text cut at its bound": lambda good: says(text(json.dumps(good)[:5]), stop_reason="max_tokens"),
    "a megabyte": lambda good: _called({**good, list(good)[-1]: "eighty " * 150_000}),
}
"""No answer yet: the model is told what is wrong with it. One that stays so is refused."""

NO_ANSWERS: Final[dict[str, Reply]] = {
    "a page": sends(200, PAGE, "text/html"),
    "a page as JSON": sends(200, PAGE),
    "JSON cut short": sends(200, '{"id": "msg_1", "content": [{"ty'),
    "another API": sends(200, {"id": "1", "choices": [{"message": {"content": "80"}}]}),
    "a list": sends(200, [{"score": 80}]),
    "null": sends(200, "null"),
    "nothing": sends(200, ""),
    "content null": says(content=None),
    "no content": says(),
    "usage null": sends(200, {"type": "message", "content": [text("x")], "usage": None}),
    "an error in a 200": sends(200, {"type": "error", "error": {"type": "api_error", "message": "x"}}),
    "500": error(500, "api_error", "out of order"),
    "529": error(529, "overloaded_error", "Overloaded"),
    "429": error(429, "rate_limit_error", "slow down"),
    "429 with Retry-After": error(429, "rate_limit_error", "slow down", retry_after="1"),
    "a 502 page": sends(502, PAGE, "text/html"),
    "401": error(401, "authentication_error", "invalid x-api-key"),
    "403": error(403, "permission_error", "this key may not use the model"),
    "404": error(404, "not_found_error", "model: claude-nope"),
    "a login page": sends(302, "", location="/login"),
}
"""What is no message, and what an operator must mend."""

WAITED_FOR: Final = {**NO_ANSWERS, **BROKEN_CONNECTIONS}
"""It says nothing of the message."""

NEVER: Final[dict[str, Reply]] = {
    "a refusal": says(stop_reason="refusal"),
    "a prompt that is too long": error(
        400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"
    ),
    "a request that is too large": error(413, "request_too_large", "Request exceeds the maximum size"),
}
"""It can't take this message, now or later: it is refused."""
