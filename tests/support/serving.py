"""An application behind a real HTTP server on loopback: in the test's own loop, or in a thread."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

_START_DEADLINE_S: Final = 30


@contextlib.asynccontextmanager
async def serving(app: FastAPI, port: int) -> AsyncIterator[None]:
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error"))
    # The test runner keeps its own signal handlers.
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    task = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(30):
            while not server.started:
                await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        await task


@contextlib.contextmanager
def served_in_a_thread(app: ASGIApp, **options: Any) -> Iterator[int]:
    """Serve ``app`` on a free port, which it gives; ``options`` are uvicorn's."""
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, **{"log_level": "error", **options})
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + _START_DEADLINE_S
        while not server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.005)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(_START_DEADLINE_S)
