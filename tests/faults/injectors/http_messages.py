"""As much of HTTP/1.1 (RFC 9112) as servers that misbehave need: requests of a known length."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

HEAD_LIMIT: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """``headers`` by their names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    def closing(self, prefix: str, host: str) -> bytes:
        """Return it as it is sent on: to ``prefix`` + target, on a connection for it alone."""
        headers = {**self.headers, "host": host, "connection": "close"}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"{self.method} {prefix}{self.target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + self.body


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """Read the next request; None when the client has hung up, or sends what is no such request."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError):
        return None
    return Request(method, target, headers, body)


def answer(status: int, body: bytes = b"", content_type: str = "application/json", **headers: str) -> bytes:
    """Write an answer; ``headers`` with ``_`` for ``-`` in their names."""
    every = {"content-type": content_type, "content-length": str(len(body)), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in every.items())
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{lines}\r\n".encode("latin-1") + body
