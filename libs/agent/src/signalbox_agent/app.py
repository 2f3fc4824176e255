"""The composition root of every agent service."""

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

from fastapi import FastAPI

from signalbox.process.running import begin
from signalbox.protocol.errors import ConfigurationError
from signalbox.registry.presence import RegistryPresence
from signalbox.telemetry import Readiness, Server, logger, operations_routes
from signalbox_agent.idempotent_handler import IdempotentHandler
from signalbox_agent.kit import Agent
from signalbox_agent.parts import Parts, check_environment, parts_from_environment
from signalbox_agent.problems import answer_with_problems
from signalbox_agent.routes import agent_routes
from signalbox_agent.service import Service
from signalbox_agent.settings import own_address, own_names, variable_prefix
from signalbox_agent.startup import ANNOUNCEMENT, CONTRACTS, forget_old_answers, repeat, until_ready

_log = logger(__name__)
_DRAIN_S: Final = 20.0


def create_app(agent: Agent, parts: Callable[[], Parts] | None = None) -> FastAPI:
    """Make the agent's service: ``POST /messages``, ``GET /agent``, health and metrics.

    ``parts`` makes what the service stands on; the default takes it from the environment. Once started
    the service answers at once, and is ready when its contracts are found and the agent is announced.
    """
    identity = agent.definition.id
    ready = Readiness(CONTRACTS, ANNOUNCEMENT)
    presence = RegistryPresence(ready.degraded)
    if agent.report_to is not None:
        agent.report_to(ready)

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        made = parts() if parts else parts_from_environment(identity)
        ready.tell("model", made.model.told)
        address = made.settings.endpoint or own_address(identity, agent.port)
        service = Service(agent.definition.with_endpoint(address), made)
        app.state.service = service

        async def work() -> None:
            contracts, announcement = await until_ready(agent, service.definition, made, ready)
            ready.tell(CONTRACTS, contracts.told)
            service.open(contracts, IdempotentHandler(agent, contracts, made))
            await asyncio.gather(
                contracts.follow(made.settings.contract_refresh_s, presence), repeat(announcement, made)
            )

        ours = [_started(made, work()), _started(made, forget_old_answers(made))]
        theirs = [_started(made, agent.background.run())] if agent.background else []
        try:
            yield
        finally:
            if agent.background:
                agent.background.stop()
            await asyncio.gather(*theirs, return_exceptions=True)
            for task in ours:
                task.cancel()
            await asyncio.gather(*ours, return_exceptions=True)
            await service.drain(_DRAIN_S)
            await made.close()

    app = FastAPI(
        title=agent.definition.name,
        description=agent.definition.description,
        lifespan=running,
        docs_url=None,  # those pages run scripts of a CDN; /openapi.json stays
        redoc_url=None,
    )
    answer_with_problems(app)
    app.include_router(operations_routes(ready))
    app.include_router(agent_routes())
    for more in agent.routes:
        app.include_router(more)
    return app


def serve(agent: Agent) -> None:
    """Run the agent's service until SIGTERM, then finish what is in flight."""
    identity = agent.definition.id
    begin(identity)
    try:
        check_environment(identity)
    except ConfigurationError as error:  # said in its own words, where a server would show its traceback
        _log.error("stopped", error=str(error))
        sys.exit(1)
    server = Server(create_app(agent), variable_prefix(identity), agent.port, {*own_names(), *agent.hosts})
    # Modules, models and schemas live as long as the process: a few hundred thousand objects that every full
    # collection would look through in vain, while a message waits.
    gc.collect()
    gc.freeze()
    server.run()


def _started(parts: Parts, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
    """Start what an agent can't be without: when it fails, the process stops, and is started again."""
    task = asyncio.create_task(work)
    task.add_done_callback(partial(_stop_when_failed, parts))
    return task


def _stop_when_failed(parts: Parts, task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("agent_broke_down", exc_info=error)
        parts.stop()
