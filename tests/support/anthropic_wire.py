"""Anthropic's messages from the server's side: what is asked, and how an answer is written."""

import json
from typing import Any, Final

from provider_replies import Body, Good, Reply, sends

PATH: Final = "/v1/messages"


def form_of(body: Body) -> str:
    """Return in which form the answer is asked for."""
    if "format" in body.get("output_config", {}):
        return "json_schema"
    return "tool" if "tools" in body else "prompted"


def schema_of(body: Body) -> dict[str, Any] | None:
    """Return the schema of the answer; None where it stands in the instructions."""
    match body:
        case {"tools": [{"input_schema": dict(schema)}]}:
            return schema
        case {"output_config": {"format": {"schema": dict(schema)}}}:
            return schema
    return None


def instructions_of(body: Body) -> str:
    """Return what the model is told before the prompt."""
    return _text(body["system"])


def prompt_of(body: Body) -> str:
    """Return what the model is asked."""
    return _text(next(message["content"] for message in body["messages"] if message["role"] == "user"))


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "\n".join(part["text"] for part in content)


def message(*content: Any, **changes: Any) -> dict[str, Any]:
    """Write a message of these parts; ``changes`` replace or add fields."""
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
    return whole | changes


def text(words: str) -> dict[str, str]:
    """Write a part that is words."""
    return {"type": "text", "text": words}


def call(arguments: Any, name: str = "answer") -> dict[str, Any]:
    """Write a part that calls a tool."""
    return {"type": "tool_use", "id": "toolu_1", "name": name, "input": arguments}


def says(*content: Any, **changes: Any) -> Reply:
    """Answer with a message."""
    return sends(200, message(*content, **changes))


def error(status: int, kind: str, message: str, **headers: str) -> Reply:
    """Fail as the API does."""
    return sends(status, {"type": "error", "error": {"type": kind, "message": message}}, **headers)


def well(good: Good) -> Reply:
    """Give the answer in the form that was asked for."""

    def reply(body: Body) -> Any:
        if form_of(body) == "tool":
            return says(call(good), stop_reason="tool_use")(body)
        return says(text(json.dumps(good, ensure_ascii=False)))(body)

    return reply


def unable(form: str) -> Reply:
    """Refuse a form as a model does that can't do it."""
    return error(400, "invalid_request_error", f"This model does not support {form}: structured outputs")
