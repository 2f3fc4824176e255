"""A server in front of a model's: it passes requests on, and keeps what was asked and how long it took."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI, Request, Response


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

    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    counted.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield counted
    finally:
        server.should_exit = True
        thread.join(10)
