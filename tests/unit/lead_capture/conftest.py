"""The app over real SQLite files; the publisher is a fake, at its port."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from lead_capture.app import create_app
from lead_capture.capture import Capture
from lead_capture.lead import CapturedLead
from lead_capture.rates import Rates
from lead_capture.settings import LeadCaptureSettings
from lead_capture.sql_store import SqlLeadStore
from lead_capture.store_watch import StoreWatch
from signalbox.protocol.errors import Unavailable
from signalbox.telemetry import Readiness

GOOD = {
    "name": "Zoë Ångström",
    "email": "zoe@fjordworks.example",
    "company_name": "Fjordworks AS",
    "job_title": "Head of Operations",
    "lead_source": "webinar",
}


class FakePublisher:
    """A stand-in for broker and registry at the LeadPublisher port: it keeps what it is given."""

    def __init__(self) -> None:
        self.published: list[CapturedLead] = []
        self.away: str | None = None
        self.attempts = 0

    @property
    def ids(self) -> list[str]:
        return [lead.lead_id for lead in self.published]

    async def prepare(self) -> None:
        self.attempts += 1
        if self.away:
            raise Unavailable(self.away, "connection refused")

    async def publish(self, leads: Sequence[CapturedLead]) -> None:
        if self.away:
            raise Unavailable(self.away, "connection refused")
        self.published.extend(leads)


class SilentPublisher(FakePublisher):
    """A broker that takes its time, at the LeadPublisher port: it answers when ``answer`` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = asyncio.Event()

    async def publish(self, leads: Sequence[CapturedLead]) -> None:
        await self.answer.wait()
        await super().publish(leads)


async def _eventually(holds: Callable[[], bool | Awaitable[bool]], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        held = holds()
        if await held if inspect.isawaitable(held) else held:
            return
        assert time.monotonic() < deadline, "the condition did not come true in time"
        await asyncio.sleep(0.01)


@pytest.fixture
def good() -> dict[str, str]:
    """The fields of a lead that is accepted."""
    return dict(GOOD)


@pytest.fixture
def eventually() -> Callable[..., Awaitable[None]]:
    """Wait until a condition holds, which may be asynchronous; fail when it does not come true."""
    return _eventually


@pytest.fixture
def settings(tmp_path: Path) -> LeadCaptureSettings:
    return LeadCaptureSettings(data_dir=tmp_path)


@pytest.fixture
async def store(settings: LeadCaptureSettings) -> AsyncIterator[SqlLeadStore]:
    opened = SqlLeadStore(settings.store_url())
    yield opened
    await opened.close()


@pytest.fixture
def publisher() -> FakePublisher:
    return FakePublisher()


@pytest.fixture
def silent() -> SilentPublisher:
    return SilentPublisher()


@pytest.fixture
def capture(store: SqlLeadStore, settings: LeadCaptureSettings) -> Capture:
    watch = StoreWatch(store, Readiness(), settings.store_probe_s)
    return Capture(store, watch, Rates(settings), lambda: None)


Serve = Callable[..., AbstractAsyncContextManager[httpx2.AsyncClient]]


@pytest.fixture
def serve(store: SqlLeadStore, publisher: FakePublisher, settings: LeadCaptureSettings) -> Serve:
    """Start the app for requests from ``peer``; other keyword arguments change its settings."""

    @asynccontextmanager
    async def serving(peer: str = "127.0.0.1", **changes: object) -> AsyncIterator[httpx2.AsyncClient]:
        app = create_app(store, publisher, settings.model_copy(update=changes))
        transport = httpx2.ASGITransport(app, client=(peer, 4711))
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=transport, base_url="http://leads.example") as client,
        ):
            yield client

    return serving


@pytest.fixture
async def client(serve: Serve) -> AsyncIterator[httpx2.AsyncClient]:
    async with serve() as opened:
        yield opened
