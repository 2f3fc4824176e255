"""A small application behind the server that every process has, on a real port of loopback."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse

from signalbox.telemetry import Server

Serve = Callable[..., AbstractAsyncContextManager[int]]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def app() -> FastAPI:
    made = FastAPI()

    @made.post("/echo")
    async def echo(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    @made.post("/unread")
    async def unread() -> PlainTextResponse:
        return PlainTextResponse("not wanted")

    @made.get("/large")
    async def large() -> PlainTextResponse:
        return PlainTextResponse("x" * 50_000_000)

    @made.get("/ok")
    async def ok(request: Request) -> dict[str, object]:
        return {"client": request.client.host if request.client else None}

    return made


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Serve the application; keyword arguments are limits, in the environment's names."""

    @asynccontextmanager
    async def serving(**limits: object) -> AsyncIterator[int]:
        port = free_port()
        monkeypatch.setenv("PROBE_PORT", str(port))
        for name, value in limits.items():
            monkeypatch.setenv(name, str(value))
        server = Server(app(), "probe", port)
        running = asyncio.create_task(server.serve())
        try:
            async with asyncio.timeout(20):
                while not await _answers(port):
                    await asyncio.sleep(0.01)
            yield port
        finally:
            server.stop()
            await running

    return serving


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
