import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from committed_contracts import schema_text
from in_memory import AgentRegistry, MemoryPublisher
from signalbox.avro import decode, encode, parse, unframe
from signalbox.models import Model, ModelSettings
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.agent_http import request_headers
from signalbox.protocol.envelope import Envelope, correlation_id_of
from signalbox.protocol.names import AGENT_MESSAGES, LeadId, MessageId, RecordType, SchemaId
from signalbox.protocol.records import Draft
from signalbox.telemetry import Readiness
from signalbox_agent import Agent, Background, Message, Work, bound, create_app
from signalbox_agent.parts import Parts
from signalbox_agent.settings import AgentSettings
from signalbox_agent.store import StateStore
from signing import AGENTS_KEY, SignedAs, door

SIGNED = "signed"
"""In the place of a token: the one that the orchestrator would sign."""


class Question(BaseModel):
    text: str
    lead_id: str = "lead-1"


class Reply(BaseModel):
    text: str


def rule(name: str, expression: str) -> dict[str, str]:
    return {"name": name, "doc": name, "expr": expression}


QUESTION = json.dumps(
    {
        "type": "record",
        "name": "Question",
        "namespace": "demo",
        "fields": [
            {"name": "text", "type": "string", "confluent:rules": [rule("not_empty", "this != ''")]},
            {"name": "lead_id", "type": "string", "default": "lead-1"},
        ],
    }
)
OLD_QUESTION = json.dumps(
    {
        "type": "record",
        "name": "demo.Question",
        "fields": [{"name": "text", "type": "string"}, {"name": "gone", "type": "int"}],
    }
)
REPLY = json.dumps(
    {
        "type": "record",
        "name": "demo.Reply",
        "fields": [
            {"name": "text", "type": "string", "confluent:rules": [rule("polite", "!this.contains('damn')")]}
        ],
    }
)


Handle = Callable[[Message[Any], Work], Awaitable[Sequence[BaseModel]]]


@dataclass
class Bench:
    """One agent under test, with its parts in hand."""

    folder: Path
    registry: AgentRegistry = field(default_factory=AgentRegistry)
    publisher: MemoryPublisher = field(default_factory=MemoryPublisher)
    settings: dict[str, Any] = field(default_factory=dict)
    definition: dict[str, Any] = field(default_factory=dict)
    handle: Handle | None = None
    background: Background | None = None
    report_to: Callable[[Readiness], None] | None = None
    handled: list[Message[Any]] = field(default_factory=list)
    stops: int = 0
    app: FastAPI | None = None
    client: httpx2.AsyncClient | None = None

    @property
    def call_log(self) -> Path:
        return self.folder / "calls.jsonl"

    @property
    def model_calls(self) -> list[dict[str, str]]:
        lines = self.call_log.read_text().splitlines() if self.call_log.exists() else []
        return [json.loads(line) for line in lines]

    @property
    def published(self) -> list[Draft]:
        return self.publisher.on(AGENT_MESSAGES)

    def contracts(self) -> None:
        self.registry.has(11, QUESTION, version=3)
        self.registry.has(12, REPLY)
        self.registry.has(13, schema_text("control.AgentRegistered"), version=2)

    def agent(self) -> Agent:
        fields = {
            "id": "answering",
            "name": "Answering",
            "description": "Answers questions.",
            "input": ["demo.Question"],
            "output": ["demo.Reply"],
        }
        return Agent(
            definition=AgentDefinition.model_validate(fields | self.definition),
            takes=[bound(Question, QUESTION)],
            gives=[bound(Reply, REPLY)],
            handle=self._handle,
            port=8199,
            background=self.background,
            report_to=self.report_to,
        )

    async def _handle(self, message: Message[Any], work: Work) -> Sequence[BaseModel]:
        self.handled.append(message)
        if self.handle is not None:
            return await self.handle(message, work)
        completion = await work.model.complete(
            task="answer",
            instructions="Answer.",
            prompt=message.record.text,
            output_type=Reply,
            stand_in=lambda: Reply(text=f"about {message.record.text}"),
            check=work.violation,
        )
        return [completion.output]

    def parts(self) -> Parts:
        settings = AgentSettings(**{"data_dir": self.folder, **self.settings})
        return Parts(
            settings=settings,
            key=AGENTS_KEY,
            door=door(self.agent().definition.id),
            store=StateStore(settings.state_url(self.agent().definition.id), self.agent().definition.id),
            registry=self.registry,
            producer=self.publisher,
            model=Model("offline", ModelSettings(call_log=self.call_log)),
            stop=self._stop,
        )

    def _stop(self) -> None:
        self.stops += 1

    @asynccontextmanager
    async def running(self, *, ready: bool = True) -> AsyncIterator["Bench"]:
        """Run the service; wait until it is ready, unless told otherwise."""
        app = create_app(self.agent(), self.parts)
        transport = httpx2.ASGITransport(app)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(app.router.lifespan_context(app))
            self.client = await stack.enter_async_context(
                httpx2.AsyncClient(transport=transport, base_url="http://agent")
            )
            if ready:
                await self.until_ready()
            yield self

    async def get(self, path: str) -> httpx2.Response:
        assert self.client is not None
        return await self.client.get(path)

    async def until_ready(self) -> None:
        async def is_ready() -> bool:
            return (await self.get("/readyz")).status_code == 200

        await self.until(is_ready)

    @staticmethod
    async def until(condition: Callable[[], Awaitable[bool]], deadline_s: float = 10) -> None:
        async with asyncio.timeout(deadline_s):
            while not await condition():
                await asyncio.sleep(0.01)

    async def post(
        self, body: bytes, headers: dict[str, str], token: str | None = SIGNED, **more: Any
    ) -> httpx2.Response:
        """Post with a token for this request, or with ``token`` as it is; None for none."""
        assert self.client is not None
        if token == SIGNED:
            more.setdefault("auth", SignedAs(self.agent().definition.id))
        elif token is not None:
            headers = headers | {"authorization": f"Bearer {token}"}
        return await self.client.post("/messages", content=body, headers=headers, **more)

    async def ask(self, text: str = "tea", message_id: str = "m-1", **more: Any) -> httpx2.Response:
        """Post a question as the dispatcher does."""
        return await self.post(self.question(text), self.headers(message_id, **more))

    async def ask_json(
        self, content: Any, headers: dict[str, str] | None = None, **more: Any
    ) -> httpx2.Response:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return await self.post(body, {"content-type": "application/json", **(headers or {})}, **more)

    @staticmethod
    def question(text: str = "tea", schema_id: int = 11, schema: str = QUESTION, **more: Any) -> bytes:
        return encode(SchemaId(schema_id), parse(schema), {"text": text, **more})

    @staticmethod
    def reply(value: bytes | None) -> dict[str, Any]:
        return decode(unframe(value)[1], parse(REPLY))

    @staticmethod
    def headers(message_id: str = "m-1", lead_id: str = "lead-1", **more: Any) -> dict[str, str]:
        return request_headers(Bench.envelope(message_id, lead_id, **more), LeadId(lead_id))

    @staticmethod
    def envelope(message_id: str = "m-1", lead_id: str = "lead-1", **more: Any) -> Envelope:
        from datetime import UTC, datetime

        return Envelope(
            **{
                "id": MessageId(message_id),
                "source": "test",
                "type": RecordType("demo.Question"),
                "time": datetime(2030, 1, 2, tzinfo=UTC),
                "correlation_id": correlation_id_of(LeadId(lead_id)),
                **more,
            }
        )


@pytest.fixture
def make_bench() -> Callable[[Path], Bench]:
    def make(folder: Path) -> Bench:
        made = Bench(folder)
        made.contracts()
        return made

    return make


@pytest.fixture
def bench(make_bench: Callable[[Path], Bench], tmp_path: Path) -> Bench:
    return make_bench(tmp_path)


@pytest.fixture
def reply() -> type[BaseModel]:
    return Reply


@pytest.fixture
def old_question() -> str:
    return OLD_QUESTION
