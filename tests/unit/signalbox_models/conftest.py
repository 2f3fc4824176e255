from collections.abc import AsyncIterator, Awaitable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi import Response

from openai_wire import calls_the_tool, says
from provider_replies import Reply, hangs, sends
from provider_server import Asked, provider_serving
from signalbox.models import Model, ModelSettings


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

    def answer(self, asked: Asked) -> Response | Awaitable[Response]:
        self.requests.append(asked.body)
        self.authorizations.append(asked.authorization)
        return self.replies.pop(0)(asked.body)

    tool_call = staticmethod(calls_the_tool)
    hang = staticmethod(hangs)

    @staticmethod
    def text(content: str) -> Reply:
        """Answer in words, with no tool call."""
        return says({"role": "assistant", "content": content})

    @staticmethod
    def status(code: int, **headers: str) -> Reply:
        """Fail with an HTTP status, as the API does."""
        return sends(code, {"error": {"message": f"scripted {code}", "type": "scripted"}}, **headers)

    @staticmethod
    def raw(content: bytes) -> Reply:
        """Answer 200 with these bytes as JSON."""
        return sends(200, content)


@pytest.fixture(scope="session")
def _listening() -> Iterator[ChatServer]:
    chat = ChatServer()
    with provider_serving(chat.answer) as server:
        chat.url = f"{server.url}/v1"
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
