"""A model behind an OpenAI-compatible address (chat completions, JSON schema, tools) that fails on demand."""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any, Final

from fault import AGENTS, Kind, append_line
from injectors.background import BackgroundLoop
from injectors.http_messages import Request, answer, read_request
from injectors.listener import Listener, reset, streams
from injectors.strikes import StrikeFault, Strikes
from model_answers import answered, routed

_BODY_LIMIT: Final = 1024 * 1024
_HUGE: Final = "spam " * 210_000
_ASKED_FOR: Final = re.compile(r"agent_id=([\w.-]+)")
_RETRY_AFTER_S: Final = 1


class ModelMode(Enum):
    """What one request meets."""

    NEVER_ANSWERS = auto()
    RATE_LIMITED = auto()
    FAILS = auto()
    CUT_BODY = auto()
    CUT_ANSWER = auto()
    UNKNOWN_AGENT = auto()
    NO_CANDIDATE = auto()
    HUGE_ANSWER = auto()
    OBEYS_THE_LEAD = auto()


_ROUTER_ONLY: Final = {ModelMode.UNKNOWN_AGENT, ModelMode.NO_CANDIDATE, ModelMode.OBEYS_THE_LEAD}


@dataclass(frozen=True, slots=True)
class _Question:
    """One request: the ``tool`` whose arguments are the answer, if not its text; the router's choices."""

    prompt: str
    tool: str | None
    fields: frozenset[str]
    agents: Sequence[str]

    @classmethod
    def read(cls, body: bytes) -> "_Question":
        asked = json.loads(body)
        function = asked["tools"][0]["function"] if "tools" in asked else {"name": None}
        schema = function.get("parameters") or asked["response_format"]["json_schema"]["schema"]
        properties = schema["properties"]
        prompt = next(message["content"] for message in asked["messages"] if message["role"] == "user")
        agents = properties.get("agent", {}).get("enum", [])
        return cls(prompt, function["name"], frozenset(properties), agents)

    @property
    def asked_for(self) -> str | None:
        """Return the agent that the lead's text wants, if it wants any."""
        found = _ASKED_FOR.search(self.prompt)
        return found[1] if found else None

    def suits(self, mode: ModelMode) -> bool:
        """Tell whether ``mode`` can strike this request."""
        if mode is ModelMode.OBEYS_THE_LEAD:
            return bool(self.agents) and self.asked_for is not None
        return bool(self.agents) or mode not in _ROUTER_ONLY


class ModelServer:
    """Answers well unless a fault strikes; appends a line for each request, see ``World.model_answers``."""

    def __init__(self, loop: BackgroundLoop, answers: Path) -> None:
        self.strikes: Strikes[ModelMode] = Strikes()
        self._answers = answers
        self._listener = Listener(loop, "model", streams(self._serve, _BODY_LIMIT))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.port}/v1"

    async def open(self) -> None:
        await self._listener.open()

    async def close(self) -> None:
        await self._listener.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await read_request(reader):
                given = self._given(request)
                if given is None:
                    await reader.read()  # ends when the client hangs up
                    return
                writer.write(given)
                await writer.drain()
                if request.headers.get("connection") == "close":
                    return
        except ConnectionError:
            reset(writer.transport)
        finally:
            writer.close()

    def _given(self, request: Request) -> bytes | None:
        """Return the answer to a request; None is none at all."""
        question = _Question.read(request.body)
        name, mode = self.strikes.next(question.suits) or (None, None)
        failed = _failed(mode) if mode else None
        if failed is not None or mode is ModelMode.NEVER_ANSWERS:
            self._note(name, None)
            return failed
        said = _right(question) if mode is None else _wrong(question, mode)
        self._note(name, said.get("agent") if question.agents else None)
        text = json.dumps(said, ensure_ascii=False)
        if mode is ModelMode.CUT_ANSWER:
            text = text[: len(text) // 2]
        body = json.dumps(_completion(question, text)).encode()
        return answer(200, body[: len(body) // 2] if mode is ModelMode.CUT_BODY else body)

    def _note(self, fault: str | None, agent: str | None) -> None:
        append_line(self._answers, {"fault": fault, "agent": agent})


def _failed(mode: ModelMode) -> bytes | None:
    match mode:
        case ModelMode.RATE_LIMITED:
            body = b'{"error": {"message": "slow down", "type": "rate_limit_error"}}'
            return answer(429, body, retry_after=str(_RETRY_AFTER_S))
        case ModelMode.FAILS:
            return answer(500, b'{"error": {"message": "out of order", "type": "server_error"}}')
        case _:
            return None


def _right(question: _Question) -> dict[str, Any]:
    return routed(question.prompt) if question.agents else answered(question.fields, question.prompt)


def _wrong(question: _Question, mode: ModelMode) -> dict[str, Any]:
    right = _right(question)
    match mode:
        case ModelMode.UNKNOWN_AGENT:
            return {**right, "agent": "no_such_agent"}
        case ModelMode.NO_CANDIDATE:
            return {**right, "agent": next(agent for agent in AGENTS if agent not in question.agents)}
        case ModelMode.OBEYS_THE_LEAD:
            return {**right, "agent": question.asked_for}
        case ModelMode.HUGE_ANSWER:
            return {name: _HUGE if isinstance(value, str) else value for name, value in right.items()}
        case _:
            return right


def _completion(question: _Question, answer: str) -> Mapping[str, Any]:
    """Write a chat completion whose one choice is ``answer``; token counts are estimates."""
    call = {"name": question.tool, "arguments": answer}
    message: dict[str, Any] = {"role": "assistant", "content": answer}
    if question.tool is not None:
        message = {
            **message,
            "content": None,
            "tool_calls": [{"id": "1", "type": "function", "function": call}],
        }
    said, given = len(question.prompt) // 4, len(answer) // 4
    return {
        "id": "chatcmpl-faulty",
        "object": "chat.completion",
        "created": 0,
        "model": "faulty",
        "choices": [
            {"index": 0, "finish_reason": "tool_calls" if question.tool else "stop", "message": message}
        ],
        "usage": {"prompt_tokens": said, "completion_tokens": given, "total_tokens": said + given},
    }


def model_faults(server: ModelServer) -> list[StrikeFault[ModelMode]]:
    """Return the model's faults; wrong answers strike a share, so that most messages end well."""
    shares = {
        "model-times-out": (ModelMode.NEVER_ANSWERS, 0.2),
        "model-answers-429": (ModelMode.RATE_LIMITED, 0.7),
        "model-answers-500": (ModelMode.FAILS, 0.7),
        "model-cuts-body": (ModelMode.CUT_BODY, 0.5),
        "model-cuts-answer": (ModelMode.CUT_ANSWER, 0.3),
        "model-names-unknown-agent": (ModelMode.UNKNOWN_AGENT, 0.3),
        "model-names-no-candidate": (ModelMode.NO_CANDIDATE, 0.3),
        "model-answers-1-mb": (ModelMode.HUGE_ANSWER, 0.2),
        "model-obeys-the-injection": (ModelMode.OBEYS_THE_LEAD, 1.0),
    }
    servers = {"the model": server.strikes}
    return [StrikeFault(name, Kind.MODEL, servers, mode, share) for name, (mode, share) in shares.items()]
