"""A provider of models: one real HTTP server on loopback, where OpenAI's and Anthropic's clients ask."""

import asyncio
import json
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Protocol

from fastapi import FastAPI, Request, Response

import anthropic_wire
import openai_wire
from provider_replies import Body, Good, Reply
from serving import served_in_a_thread


class Wire(Protocol):
    """One wire format from the server's side: :mod:`openai_wire` and :mod:`anthropic_wire`."""

    def form_of(self, body: Body) -> str: ...
    def schema_of(self, body: Body) -> dict[str, Any] | None: ...
    def instructions_of(self, body: Body) -> str: ...
    def prompt_of(self, body: Body) -> str: ...
    def well(self, good: Good) -> Reply: ...
    def unable(self, form: str) -> Reply: ...


WIRES: Final[Mapping[str, Wire]] = {openai_wire.PATH: openai_wire, anthropic_wire.PATH: anthropic_wire}


@dataclass(frozen=True)
class Asked:
    """One request, as its wire format says it."""

    wire: Wire
    body: Body
    authorization: str | None

    @property
    def model(self) -> str:
        return str(self.body["model"])

    @property
    def form(self) -> str:
        return self.wire.form_of(self.body)

    @property
    def prompt(self) -> str:
        return self.wire.prompt_of(self.body)

    @cached_property
    def properties(self) -> dict[str, Any]:
        """The fields that the answer has to have, with their schemas."""
        schema = self.wire.schema_of(self.body) or _schema_in(self.wire.instructions_of(self.body))
        properties: dict[str, Any] = schema["properties"]
        return properties

    @property
    def is_the_routers(self) -> bool:
        return "agent" in self.properties


class Answerer(Protocol):
    """Says what a request is answered with."""

    def __call__(self, asked: Asked) -> Response | Awaitable[Response]: ...


@dataclass
class ProviderServer:
    """Answers with what ``answer`` says; ``asked`` has each request."""

    answer: Answerer
    url: str = ""
    asked: list[Asked] = field(default_factory=list)

    async def serve(self, request: Request) -> Response:
        headers = request.headers
        asked = Asked(WIRES[request.url.path], await request.json(), headers.get("authorization"))
        self.asked.append(asked)
        response = self.answer(asked)
        return await response if asyncio.iscoroutine(response) else response  # type: ignore[return-value]


@contextmanager
def provider_serving(answer: Answerer) -> Iterator[ProviderServer]:
    """Serve on a free port until the block's end; ``url`` is without a path."""
    server, app = ProviderServer(answer), FastAPI()
    for path in WIRES:
        app.post(path)(server.serve)
    # It is told to break off answers, and would complain of each.
    with served_in_a_thread(app, timeout_graceful_shutdown=1, log_level="critical") as port:
        server.url = f"http://127.0.0.1:{port}"
        yield server


def _schema_in(instructions: str) -> dict[str, Any]:
    """Return the schema that stands in a prompt."""
    decoder, at = json.JSONDecoder(), -1
    while (at := instructions.find("{", at + 1)) >= 0:
        try:
            found, _ = decoder.raw_decode(instructions, at)
        except ValueError:
            continue
        if "properties" in found:
            schema: dict[str, Any] = found
            return schema
    raise LookupError("a model is asked for an answer without a schema")
