"""The service out of its parts: store, relay, form and API."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from fastapi import FastAPI

from lead_capture import store_watch
from lead_capture.api import lead_routes
from lead_capture.bodies import CSV_LIMIT
from lead_capture.body_limit import BodyLimit
from lead_capture.callers import ApiKeys, Callers
from lead_capture.capture import Capture
from lead_capture.form import FormPages, form_routes
from lead_capture.forwarding import Proxies
from lead_capture.problems import answer_with_problems
from lead_capture.rates import Rates
from lead_capture.relay import PART, LeadPublisher, Relay
from lead_capture.settings import LeadCaptureSettings
from lead_capture.store import LeadStore
from lead_capture.store_watch import StoreWatch
from signalbox.telemetry import Readiness, operations_routes

_LEAD_LIMIT: Final = 256 * 1024
_FORM_FRAME: Final = 64 * 1024
_LAST_BATCH_S: Final = 3.0


def callers_of(settings: LeadCaptureSettings) -> Callers:
    """Make what tells callers apart.

    Raises:
        ConfigurationError: a proxy or a key is not what it should be.
    """
    proxies = Proxies(settings.trusted_proxies, settings.forwarded_header)
    return Callers(proxies, ApiKeys(settings.lead_api_keys))


async def _nothing() -> None:
    """Close nothing."""


def create_app(
    store: LeadStore,
    publisher: LeadPublisher,
    settings: LeadCaptureSettings,
    close: Callable[[], Awaitable[None]] = _nothing,
) -> FastAPI:
    """Make the service out of its parts; ``close`` is awaited at the end, when the relay has stopped."""
    readiness = Readiness(PART, store_watch.PART)
    watch = StoreWatch(store, readiness, settings.store_probe_s)
    relay = Relay(
        store, publisher, readiness, batch=settings.outbox_batch, interval_s=settings.outbox_interval_s
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        publishing = asyncio.create_task(relay.run(), name="outbox relay")
        watching = asyncio.create_task(watch.run(), name="store watch")
        try:
            yield
        finally:
            # 1. The batch on its way ends, or stays in the store. 2. The connections close.
            watching.cancel()
            relay.stop()
            await asyncio.wait({publishing}, timeout=_LAST_BATCH_S)
            publishing.cancel()
            await close()
            await store.close()

    app = FastAPI(
        title="Lead capture",
        description="Takes leads in and publishes them.",
        lifespan=lifespan,
        docs_url=None,  # those pages run scripts of a CDN; /openapi.json stays
        redoc_url=None,
    )
    callers = callers_of(settings)
    capture = Capture(store, watch, Rates(settings), relay.wake)
    pages = FormPages(capture, callers, str(settings.console_url) if settings.console_url else None)
    app.include_router(form_routes(pages))
    app.include_router(lead_routes(capture, store, pages, callers))
    app.include_router(operations_routes(readiness))
    answer_with_problems(app)
    app.add_middleware(BodyLimit, limits={"/leads/import": CSV_LIMIT + _FORM_FRAME}, default=_LEAD_LIMIT)
    return app
