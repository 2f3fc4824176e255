"""Hostile websites, and what the agents' tool makes of each: never an exception, never a long wait."""

import random
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fault import Kind, World
from injectors import pages
from injectors.background import BackgroundLoop
from injectors.pages import ANSWERS, TEXTS, PageServer, page_faults
from injectors.surroundings import open_surroundings
from signalbox_agent.tools import Finding, NotAvailable, ToolSettings, Website


@pytest.fixture
async def server(loop: BackgroundLoop) -> AsyncIterator[PageServer]:
    server = PageServer(loop)
    await server.listener.open()
    yield server
    await server.listener.close()


async def read(server: PageServer) -> Finding | NotAvailable:
    settings = ToolSettings(website_fetch="on", website_allow=server.place)
    return await Website(settings).fetch(f"http://{server.place}/1")


async def strike(server: PageServer, world: World, name: str) -> Any:
    [fault] = [fault for fault in page_faults(server) if fault.name == name]
    await fault.inject(world, random.Random(1))
    return fault


async def test_a_website_is_read_before_and_after_a_fault(server: PageServer, world: World) -> None:
    for fault in page_faults(server):
        assert fault.kind is Kind.PAGES
        await fault.inject(world, random.Random(1))
        await fault.heal(world)
        found = await read(server)
        assert isinstance(found, Finding)
        assert found.title == "Ferrum"


@pytest.mark.parametrize(
    ("name", "count"), [("pages-hostile-text", len(TEXTS)), ("pages-hostile-answer", len(ANSWERS))]
)
async def test_no_hostile_page_raises_or_takes_long(
    server: PageServer, world: World, name: str, count: int
) -> None:
    await strike(server, world, name)
    for _ in range(count):
        started = time.monotonic()
        found = await read(server)
        assert isinstance(found, Finding | NotAvailable)
        assert time.monotonic() - started < 6
    assert server.strikes.struck[name] >= count


async def test_an_answer_without_an_end_is_given_up(
    server: PageServer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signalbox_agent.tools.website._TIMEOUT_S", 0.3)
    monkeypatch.setattr(pages, "_DRIPS", 10)
    await strike(server, world, "pages-slow")
    drips, hangs, floods = [await read(server) for _ in range(3)]
    assert isinstance(drips, NotAvailable)
    assert isinstance(hangs, NotAvailable)
    assert isinstance(floods, Finding | NotAvailable)


async def test_agents_that_read_websites_are_told_where_leads_have_theirs(world: World) -> None:
    async with open_surroundings(world, frozenset({Kind.PAGES})) as around:
        assert {fault.kind for fault in around.faults} == {Kind.PAGES}
        for agent in ("lead_ingestion", "active_outreach", "nurture_campaign"):
            assert world.env_of[agent]["WEBSITE_FETCH"] == "on"
            assert world.website == f"http://{world.env_of[agent]['WEBSITE_ALLOW']}"
