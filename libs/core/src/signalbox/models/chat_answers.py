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
from dataclasses import dataclass
from typing import Any, Final

from signalbox.models.loose_json import parsed, without_thoughts
from signalbox.models.reading import Shape, answer_in, unwrapped

_FINISHED: Final = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})
_FILTERED: Final = frozenset({"content_filter", "safety", "prohibited_content", "blocklist", "recitation"})
_FAILED: Final = frozenset(
    {"error", "failed", "abort", "aborted", "cancelled", "insufficient_system_resource"}
)


class NoCompletion(ValueError):
    """It is no chat completion; the text says why."""


class Filtered(Exception):
    """The answer says that a content filter stopped it."""


@dataclass(frozen=True, slots=True)
class Offered:
    """The one tool whose arguments are the answer: its name, and the shape of its arguments."""

    name: str
    shape: Shape

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> "Offered | None":
        """Return the tool of a request; None when it offers none, or several."""
        match request.get("tools"):
            case [{"function": {"name": str(name), "parameters": dict(schema)}}]:
                return cls(name, Shape.of(schema))
            case _:
                return None


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
    content, calls = _text(message.get("content")), _calls(message, Offered.of(request))
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


def _calls(message: Mapping[str, Any], offered: Offered | None) -> list[dict[str, Any]]:
    calls = message.get("tool_calls") or message.get("function_call") or []
    found = [
        call
        for number, one in enumerate(calls if isinstance(calls, list) else [calls])
        if isinstance(one, dict) and (call := _call(one, number, offered)) is not None
    ]
    content = _text(message.get("content"))
    if found or offered is None or not content:
        return found
    answer = answer_in(content, offered.shape)
    return [] if answer is None else [_function_call("call_0", offered.name, json.dumps(answer))]


def _call(said: Mapping[str, Any], number: int, offered: Offered | None) -> dict[str, Any] | None:
    function = said.get("function")
    function = function if isinstance(function, dict) else said
    name = function.get("name")
    if offered is not None:
        name = offered.name  # there is no other: whatever it is called, this one is meant
    if not isinstance(name, str):
        return None
    given = function.get("arguments", function.get("parameters"))
    identity = said.get("id")
    return _function_call(
        identity if isinstance(identity, str) and identity else f"call_{number}",
        name,
        _arguments(given, offered),
    )


def _function_call(identity: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


def _arguments(given: Any, offered: Offered | None) -> str:
    """Return the arguments as JSON text; text that can't be read is passed on, for the model to correct."""
    value = parsed(given) if isinstance(given, str) else given
    answer = None
    if offered is not None:
        answer = answer_in(given, offered.shape) if value is None and isinstance(given, str) else None
        answer = unwrapped(value, offered.shape) if answer is None else answer
    if answer is not None:
        return json.dumps(answer)
    if value is not None:
        return json.dumps(value)
    return given if isinstance(given, str) and given.strip() else "{}"


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
