"""OpenAI's chat completions from the server's side: what is asked, and how an answer is written."""

import json
from typing import Any, Final

from fastapi import Response

from provider_replies import Body, Good, Reply, sends

PATH: Final = "/v1/chat/completions"


def form_of(body: Body) -> str:
    """Return in which form the answer is asked for."""
    if body.get("response_format", {}).get("type") == "json_schema":
        return "json_schema"
    return "tool" if "tools" in body else "prompted"


def schema_of(body: Body) -> dict[str, Any] | None:
    """Return the schema of the answer; None where it stands in the instructions."""
    match body:
        case {"tools": [{"function": {"parameters": dict(schema)}}]}:
            return schema
        case {"response_format": {"json_schema": {"schema": dict(schema)}}}:
            return schema
    return None


def instructions_of(body: Body) -> str:
    """Return what the model is told before the prompt."""
    return "\n".join(message["content"] for message in body["messages"] if message["role"] == "system")


def prompt_of(body: Body) -> str:
    """Return what the model is asked."""
    prompt: str = next(message["content"] for message in body["messages"] if message["role"] == "user")
    return prompt


def completion(message: Any, finish: Any = "stop", **more: Any) -> dict[str, Any]:
    """Write a chat completion with one choice; ``more`` replaces or adds fields."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "scripted-1",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
        **more,
    }


def calling(name: str, arguments: Any) -> dict[str, Any]:
    """Write a message that calls one tool; ``arguments`` is JSON text, or becomes it."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": text}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def says(message: Any, finish: Any = "stop", **more: Any) -> Reply:
    """Answer with a chat completion."""
    return sends(200, completion(message, finish, **more))


def error(status: int, message: str, **more: Any) -> Reply:
    """Fail as the API does."""
    return sends(status, {"error": {"message": message, **more}})


def calls_the_tool(arguments: Any) -> Reply:
    """Call the one tool that was offered."""

    def reply(body: Body) -> Response:
        [tool] = body["tools"]
        written = completion(calling(tool["function"]["name"], arguments), "tool_calls")
        return Response(json.dumps(written), media_type="application/json")

    return reply


def well(good: Good) -> Reply:
    """Give the answer in the form that was asked for."""
    text = json.dumps(good, ensure_ascii=False)

    def reply(body: Body) -> Any:
        return (calls_the_tool(text) if form_of(body) == "tool" else says({"content": text}))(body)

    return reply


def unable(form: str) -> Reply:
    """Refuse a form as servers do that can't do it."""
    said = {
        "json_schema": "Invalid parameter: 'response_format' of type 'json_schema' is not supported",
        "tool": "tools param requires --jinja flag",
    }
    return error(400, said[form])
