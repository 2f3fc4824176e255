"""The composition root of every agent service."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from fastapi import FastAPI

from signalbox.agent.desk import Desk
from signalbox.agent.kit import Agent
from signalbox.agent.parts import Parts, parts_from_environment
from signalbox.agent.problems import answer_with_problems
from signalbox.agent.routes import agent_routes
from signalbox.agent.service import Service
from signalbox.agent.settings import own_address, variable_prefix
from signalbox.agent.startup import ANNOUNCEMENT, CONTRACTS, forget_old_answers, until_ready
from signalbox.telemetry import Readiness, Server, configure_logging, logger, operations_routes

_log = logger(__name__)
_DRAIN_S: Final = 20.0


def create_app(agent: Agent, parts: Callable[[], Parts] | None = None) -> FastAPI:
    """Make the agent's service: ``POST /messages``, ``GET /agent``, health and metrics.

    ``parts`` makes what the service stands on; the default takes it from the environment. Once started
    the service answers at once, and is ready when its contracts are found and the agent is announced.
    """
    identity = agent.definition.id
    ready = Readiness(CONTRACTS, ANNOUNCEMENT)

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        made = parts() if parts else parts_from_environment(identity)
        address = made.settings.endpoint or own_address(identity, agent.port)
        service = Service(agent.definition.with_endpoint(address), made)
        app.state.service = service

        async def start() -> None:
            contracts = await until_ready(agent, service.definition, made, ready)
            service.open(contracts, Desk(agent, contracts, made))

        starting = asyncio.create_task(start())
        starting.add_done_callback(partial(_stop_when_failed, made))
        purging = asyncio.create_task(forget_old_answers(made))
        try:
            yield
        finally:
            starting.cancel()
            purging.cancel()
            await asyncio.gather(starting, purging, return_exceptions=True)
            await service.drain(_DRAIN_S)
            await made.close()

    app = FastAPI(title=agent.definition.name, description=agent.definition.description, lifespan=running)
    answer_with_problems(app)
    app.include_router(operations_routes(ready))
    app.include_router(agent_routes())
    return app


def serve(agent: Agent) -> None:
    """Run the agent's service until SIGTERM, then finish what is in flight."""
    identity = agent.definition.id
    configure_logging(identity)
    Server(create_app(agent), variable_prefix(identity), agent.port).run()


def _stop_when_failed(parts: Parts, starting: "asyncio.Task[None]") -> None:
    if not starting.cancelled() and (error := starting.exception()) is not None:
        _log.error("agent_cannot_start", exc_info=error)
        parts.stop()
