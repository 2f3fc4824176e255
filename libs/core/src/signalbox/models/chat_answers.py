"""What servers that speak OpenAI's chat completions really send, written again as the SDK expects it.

Servers differ from the specification and from each other: ``arguments`` as an object, no call id, ``usage``
null; small models put their JSON into prose, encode it twice or wrap it in one more object. None of that is
the message's fault. So nothing of an answer is passed on as it came: :func:`read_completion` writes a new one
from what is there. What an answer says must still pass the type that was asked for; that is judged later.

Source: OpenAI *API Reference*, The chat completion object; what llama.cpp, Ollama, vLLM, LM Studio, TGI and
OpenRouter send instead.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from signalbox.models.loose_json import without_thoughts

_FINISHED: Final = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})
_FILTERED: Final = frozenset({"content_filter", "safety", "prohibited_content", "blocklist", "recitation"})
_FAILED: Final = frozenset(
    {"error", "failed", "abort", "aborted", "cancelled", "insufficient_system_resource"}
)


class NoCompletion(ValueError):
    """It is no chat completion; the text says why."""


class Filtered(Exception):
    """The answer says that a content filter stopped it."""


def read_completion(said: Any, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a chat completion that says what ``said`` says, in answer to ``request``.

    Raises:
        NoCompletion: it is none.
        Filtered: a content filter stopped it.
    """
    if not isinstance(said, dict):
        raise NoCompletion("it is no object")
    if said.get("error"):
        raise NoCompletion("it is an error")
    match said.get("choices"):
        case [{"message": dict(message)} as choice, *_]:
            pass
        case _:
            raise NoCompletion("it has no choice with a message")
    finish = str(choice.get("finish_reason") or "").lower()
    if finish in _FAILED or choice.get("error"):
        raise NoCompletion(f"its finish_reason is {finish or 'an error'}")
    if finish in _FILTERED or message.get("refusal"):
        raise Filtered(
            f"finish_reason is {finish}" if finish in _FILTERED else "the model declined to answer"
        )
    content, calls = _text(message.get("content")), _calls(message, _only_tool(request))
    if not calls and not (content and content.strip()):
        raise NoCompletion("it has neither text nor a tool call")
    return {
        "id": str(said.get("id") or "chatcmpl"),
        "object": "chat.completion",
        "created": _number(said.get("created")),
        "model": str(said.get("model") or request.get("model") or ""),
        "choices": [
            {
                "index": 0,
                "finish_reason": finish if finish in _FINISHED else "stop",
                "message": {"role": "assistant", "content": content, "tool_calls": calls or None},
            }
        ],
        "usage": _usage(said.get("usage")),
    }


def _only_tool(request: Mapping[str, Any]) -> str | None:
    """Return the name of the one tool that a request offers; None when it offers none, or several."""
    match request.get("tools"):
        case [{"function": {"name": str(name)}}]:
            return name
        case _:
            return None


def _calls(message: Mapping[str, Any], only_tool: str | None) -> list[dict[str, Any]]:
    calls = message.get("tool_calls") or message.get("function_call") or []
    return [
        call
        for number, one in enumerate(calls if isinstance(calls, list) else [calls])
        if isinstance(one, dict) and (call := _call(one, number, only_tool)) is not None
    ]


def _call(said: Mapping[str, Any], number: int, only_tool: str | None) -> dict[str, Any] | None:
    function = said.get("function")
    function = function if isinstance(function, dict) else said
    # Where there is no other, that one is meant, whatever it is called.
    name = only_tool or function.get("name")
    if not isinstance(name, str):
        return None
    identity = said.get("id")
    arguments = _arguments(function.get("arguments", function.get("parameters")))
    return {
        "id": identity if isinstance(identity, str) and identity else f"call_{number}",
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def _arguments(given: Any) -> str:
    """Return the arguments as text; what is in it, and how it is wrapped, is read later."""
    if isinstance(given, str):
        return given if given.strip() else "{}"
    return "{}" if given is None else json.dumps(given)


def _text(content: Any) -> str | None:
    match content:
        case str():
            return without_thoughts(content)
        case list():
            parts = [part.get("text") if isinstance(part, dict) else part for part in content]
            return without_thoughts("".join(part for part in parts if isinstance(part, str)))
        case _:
            return None


def _usage(said: Any) -> dict[str, int]:
    fields = said if isinstance(said, dict) else {}
    asked, answered = _number(fields.get("prompt_tokens")), _number(fields.get("completion_tokens"))
    return {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}


def _number(value: Any) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return 0
    return number if 0 <= number < 2**40 else 0
