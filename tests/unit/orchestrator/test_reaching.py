"""Agents are asked where they say that they live, until they answer once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI, Response

from announced import Codec
from operating import free_port
from orchestrator.dispatch.reaching import Reaching
from serving import serving
from signalbox.protocol.names import AgentId
from signalbox.protocol.records import Record
from signalbox_decide.directory import Directory

ECHO = AgentId("echo")


def app(path: str) -> FastAPI:
    made = FastAPI()

    @made.get(path)
    async def answer() -> Response:
        return Response()

    return made


@asynccontextmanager
async def asking(folder: Path, port: int) -> AsyncIterator[Directory]:
    directory = Directory(Codec(f"http://127.0.0.1:{port}"), r"http://127\.0\.0\.1:\d+")  # type: ignore[arg-type]
    async with httpx2.AsyncClient() as http:
        following = asyncio.create_task(Reaching(directory, http, folder).follow())
        directory.read_to_its_end.set()
        await directory.apply(Record("agent_registry", 0, 0, b"echo", b"echo"))
        yield directory
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


@pytest.mark.parametrize("path", ["/readyz", "/healthz"])
async def test_an_agent_that_starts_later_is_reached_then_and_that_is_kept(path: str, tmp_path: Path) -> None:
    port = free_port()
    async with asking(tmp_path, port) as directory:
        await asyncio.sleep(0.3)
        assert directory.unreached == {ECHO}
        async with serving(app(path), port), asyncio.timeout(20):
            while directory.unreached:
                await asyncio.sleep(0.01)
    async with asking(tmp_path, port) as directory:
        assert directory.was_reached(ECHO)


async def test_what_is_no_agent_there_is_not_reached(tmp_path: Path) -> None:
    port = free_port()
    async with serving(app("/elsewhere"), port), asking(tmp_path, port) as directory:
        await asyncio.sleep(0.5)
        assert directory.unreached == {ECHO}


async def test_a_file_that_is_no_list_of_agents_is_as_good_as_none(tmp_path: Path) -> None:
    for content in ("", "[]", "null", '{"a": '):
        (tmp_path / "agents.json").write_text(content)
        async with asking(tmp_path, free_port()) as directory:
            assert directory.unreached == {ECHO}
