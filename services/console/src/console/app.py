"""The composition root: the console's parts, put together."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import prometheus_client
from fastapi import FastAPI

from console import api, pages, problems, reading, store
from console.contracts import RegisteredContracts
from console.decoding import Schemas
from console.following import REGISTRY, TOPICS, Topics, follow
from console.impaired import ImpairedAnswers
from console.metrics import Counts
from console.presence import Presence
from console.projection import Projection
from console.queries import Queries
from console.registrations import TrustedRegistrations
from console.requests import EmptyParametersAreAbsent
from console.settings import ConsoleSettings
from console.waiting import StallDetector
from signalbox.kafka import KafkaSettings, Reader
from signalbox.process.retry import retry_while_unavailable
from signalbox.process.running import begin
from signalbox.registry.client import Registry, RegistrySettings
from signalbox.registry.port import SchemaRegistry
from signalbox.registry.presence import RegistryPresence
from signalbox.telemetry import Readiness, Server, operations_routes
from signalbox.trust import TrustSettings

SERVICE = "console"
PORT = 8080


def create_app(
    queries: Queries,
    registry: SchemaRegistry,
    schemas: Schemas,
    readiness: Readiness,
    presence: Presence,
    registry_presence: RegistryPresence,
) -> FastAPI:
    """Make the HTTP side: API, pages, health and metrics."""
    app = FastAPI(title="Signalbox console", docs_url=None, redoc_url=None)
    problems.install(app)
    app.add_middleware(EmptyParametersAreAbsent)
    app.add_middleware(ImpairedAnswers, readiness=readiness)
    app.include_router(operations_routes(readiness))
    app.include_router(api.routes(queries, RegisteredContracts(registry, queries), schemas, presence))
    app.include_router(pages.routes(queries, presence, registry_presence))
    return app


@dataclass(frozen=True)
class Console:
    """The console's two halves: ``app`` answers, ``follow`` keeps what it answers from up to date."""

    app: FastAPI
    queries: Queries
    follow: Callable[[], Coroutine[Any, Any, None]]


def bootstrap(settings: ConsoleSettings, topics: Topics, registry: SchemaRegistry) -> Console:
    """Put the console together around an empty projection."""
    readiness = Readiness(REGISTRY, TOPICS)
    projection = settings.projection
    presence = Presence(settings.orchestrators)
    queries, schemas = (
        Queries(projection, StallDetector(presence, settings.stalled_after_s)),
        Schemas(registry),
    )
    registrations = TrustedRegistrations(TrustSettings(), schemas.decode)
    registry_presence = RegistryPresence(
        readiness.degraded, meanwhile="what was read stays, and schemas that are known go on"
    )
    app = create_app(queries, registry, schemas, readiness, presence, registry_presence)

    async def following() -> None:
        # Made here and not before, so that a disk that is full is waited for, in sight.
        writer = await retry_while_unavailable(
            partial(asyncio.to_thread, store.create, projection), readiness
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(presence.follow())
            group.create_task(registry_presence.follow(schemas.reach, settings.contract_refresh_s))
            group.create_task(
                follow(topics, schemas, registrations, Projection(writer, schemas.decode), readiness)
            )

    return Console(app, queries, following)


async def run() -> None:
    """Follow and answer until SIGTERM; stop when following fails, since the answers would grow old."""
    reader = Reader(KafkaSettings(), reading.TOPICS, SERVICE)
    registry = Registry(RegistrySettings())
    console = bootstrap(ConsoleSettings(), reader, registry)
    prometheus_client.REGISTRY.register(Counts(console.queries))
    server = Server(console.app, SERVICE, PORT)
    serving, following = asyncio.create_task(server.serve()), asyncio.create_task(console.follow())
    await asyncio.wait({serving, following}, return_when=asyncio.FIRST_COMPLETED)
    server.stop()
    await serving
    await reader.close()
    await registry.close()
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following


def main() -> None:
    """Run the console."""
    begin(SERVICE)
    asyncio.run(run())
