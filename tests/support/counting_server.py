"""A server in front of a model's: it passes requests on, and keeps what was asked and how long it took."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
from fastapi import FastAPI, Request, Response

from serving import served_in_a_thread


@dataclass
class CountingServer:
    """Each request's body and its seconds until the answer was there."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)


@contextmanager
def counting_before(upstream: str, path: str) -> Iterator[CountingServer]:
    """Serve ``path`` on loopback until the block's end."""
    counted, app = CountingServer(), FastAPI()
    client = httpx2.AsyncClient(timeout=300)

    @app.post(path)
    async def passed_on(request: Request) -> Response:
        began, body = time.monotonic(), await request.json()
        answer = await client.post(f"{upstream}{path}", json=body)
        counted.requests.append(body)
        counted.seconds.append(time.monotonic() - began)
        return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))

    with served_in_a_thread(app) as port:
        counted.url = f"http://127.0.0.1:{port}"
        yield counted
