import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response

from serving import served_in_a_thread
from signalbox.models import Model, ModelSettings

Reply = Callable[[dict[str, Any]], Response]


@dataclass
class ChatServer:
    """A real HTTP server on loopback, where OpenAI's and Anthropic's clients ask, with scripted answers."""

    replies: list[Reply] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    url: str = ""

    def says(self, *replies: Reply) -> None:
        """Answer with these, one after the other."""
        self.replies.extend(replies)

    async def answer(self, request: Request) -> Response:
        body = await request.json()
        self.requests.append(body)
        self.authorizations.append(request.headers.get("authorization"))
        reply = self.replies.pop(0)
        response = reply(body)
        return await response if asyncio.iscoroutine(response) else response

    @staticmethod
    def tool_call(arguments: Any) -> Reply:
        """Call the tool that was offered; ``arguments`` is JSON text, or becomes it."""

        def reply(body: dict[str, Any]) -> Response:
            text = arguments if isinstance(arguments, str) else json.dumps(arguments)
            function = {"name": body["tools"][0]["function"]["name"], "arguments": text}
            message = {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
            }
            return _completion(body, message, "tool_calls")

        return reply

    @staticmethod
    def text(content: str) -> Reply:
        """Answer in words, with no tool call."""
        return lambda body: _completion(body, {"role": "assistant", "content": content}, "stop")

    @staticmethod
    def status(code: int, **headers: str) -> Reply:
        """Fail with an HTTP status, as the API does."""
        body = json.dumps({"error": {"message": f"scripted {code}", "type": "scripted"}})
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return lambda _: Response(body, code, named, "application/json")

    @staticmethod
    def raw(content: bytes) -> Reply:
        """Answer 200 with these bytes as JSON."""
        return lambda _: Response(content, 200, media_type="application/json")

    @staticmethod
    def hang(seconds: float = 30) -> Reply:
        """Take the request and don't answer for ``seconds``."""

        async def wait() -> Response:
            await asyncio.sleep(seconds)
            return Response(status_code=204)

        return lambda _: wait()  # type: ignore[return-value]


def _completion(body: dict[str, Any], message: dict[str, Any], finish: str) -> Response:
    answer = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    }
    return Response(json.dumps(answer), media_type="application/json")


@pytest.fixture(scope="session")
def _listening() -> Iterator[ChatServer]:
    chat = ChatServer()
    app = FastAPI()
    app.post("/v1/chat/completions")(chat.answer)
    app.post("/v1/messages")(chat.answer)
    with served_in_a_thread(app, timeout_graceful_shutdown=1) as port:
        chat.url = f"http://127.0.0.1:{port}/v1"
        yield chat


@pytest.fixture
def chat(_listening: ChatServer) -> ChatServer:
    _listening.replies.clear()
    _listening.requests.clear()
    _listening.authorizations.clear()
    return _listening


@pytest.fixture
def call_log(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "calls.jsonl"


@pytest.fixture
async def model(chat: ChatServer, call_log: Path) -> AsyncIterator[Model]:
    settings = ModelSettings(
        base_url=chat.url, api_key="secret-key", call_log=call_log, timeout_s=10, output="tool"
    )
    yield Model("openai:scripted-1", settings)
