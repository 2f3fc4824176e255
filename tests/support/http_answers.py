"""A real HTTP server on loopback that answers with whatever it is told, well-formed or not."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def said(status: int, body: bytes | str = b"", kind: str | None = "application/json", **more: str) -> bytes:
    """Write an answer; ``more`` are headers, with ``_`` for ``-`` in their names."""
    content = body.encode() if isinstance(body, str) else body
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Odd"
    headers = {"content-length": str(len(content)), "connection": "close", **more}
    if kind is not None:
        headers["content-type"] = kind
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status} {phrase}\r\n{lines}\r\n".encode() + content


def page(status: int) -> bytes:
    """Write what a proxy says in HTML."""
    text = f"<html><head><title>{status}</title></head><body><center>nginx</center></body></html>"
    return said(status, text, "text/html")


def told(status: int, value: Any, kind: str = "application/vnd.schemaregistry.v1+json") -> bytes:
    """Write an answer in JSON."""
    return said(status, json.dumps(value), kind)


@dataclass
class Answering:
    """``answer`` gives the bytes for each request; None ends the connection without any."""

    answer: Callable[[Asked], bytes | None]
    url: str = ""
    asked: list[Asked] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
            named = dict(line.lower().split(": ", 1) for line in lines)
            body = await reader.readexactly(int(named.get("content-length", 0)))
            method, path, _ = first.split(" ")
            asked = Asked(method, path, body)
            self.asked.append(asked)
            if (given := self.answer(asked)) is not None:
                writer.write(given)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has hung up
        finally:
            writer.close()


@asynccontextmanager
async def answering(answer: Callable[[Asked], bytes | None]) -> AsyncIterator[Answering]:
    """Serve on a free port."""
    server = Answering(answer)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listening.close()
