"""``python -m orchestrator``: run until SIGTERM."""

import asyncio
import sys
from contextlib import AsyncExitStack
from typing import Final

from orchestrator.bootstrap import PORT, SERVICE, Orchestrator, bootstrap
from orchestrator.following import follow_registrations
from orchestrator.places import look_at
from orchestrator.settings import OrchestratorSettings
from signalbox.process.retry import retry_while_unavailable
from signalbox.process.running import begin
from signalbox.protocol.errors import ConfigurationError, SignalboxError
from signalbox.telemetry import Server, logger

_log = logger(__name__)
_PATIENCE_S: Final = 18.0
"""How long stages may take to finish or hand back what is in flight, in seconds."""


async def run(orchestrator: Orchestrator, server: Server) -> None:
    """Serve and route until the server is told to stop, or a stage can't go on.

    Raises:
        ExceptionGroup: what a stage raised; its successor reads back what was decided.
    """
    stopping = asyncio.Event()
    parts = orchestrator
    async with asyncio.TaskGroup() as group:
        following = [
            group.create_task(parts.contracts.follow(parts.registry)),
            group.create_task(
                parts.trust.follow(parts.kafka, parts.readiness, "orchestrator-grants", parts.directory.apply)
            ),
            group.create_task(
                follow_registrations(
                    parts.directory, parts.kafka, parts.readiness, "orchestrator-directory", parts.trust
                )
            ),
            group.create_task(parts.reaching.follow()),
            group.create_task(parts.spending.follow(parts.kafka)),
        ]
        working = [group.create_task(_work(parts, stopping))]
        try:
            await server.serve()
        finally:
            stopping.set()
            # What still waits then, for a broker or a registry that is away, has nothing to finish.
            await asyncio.wait(working, timeout=_PATIENCE_S)
            for task in (*working, *following):
                task.cancel()


async def _work(parts: Orchestrator, stopping: asyncio.Event) -> None:
    starting, told = asyncio.create_task(_start(parts)), asyncio.create_task(stopping.wait())
    await asyncio.wait({starting, told}, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if not starting.done():
        starting.cancel()
        return
    await starting
    async with asyncio.TaskGroup() as stages:
        for part in (parts.intake, parts.routing, parts.dispatchers):
            stages.create_task(part.run(stopping))


async def _start(parts: Orchestrator) -> None:
    # The control contracts first: without them no decision can be written, and no agent be read.
    await retry_while_unavailable(parts.control.load, parts.readiness)
    parts.readiness.done("contracts")
    # Then the places that decisions are written to: what is too small there is told before a record meets it.
    await retry_while_unavailable(
        lambda: look_at(parts.kafka, parts.places, parts.readiness), parts.readiness
    )
    # A type that only an agent announces is not admitted, and half the candidates are not there, before that.
    await parts.directory.read_to_its_end.wait()
    # Nor is any workflow too old before it is known how long it waited for a budget.
    await parts.spending.is_read.wait()


async def _main() -> None:
    settings = OrchestratorSettings()
    async with AsyncExitStack() as closing:
        orchestrator = bootstrap(settings, closing)
        _log.info("starting", settings=settings.model_dump())
        await run(orchestrator, Server(orchestrator.app, SERVICE, PORT))


def main() -> int:
    """Run the orchestrator; 0 after a clean stop, 1 when it could not go on."""
    begin(SERVICE)
    status = 0
    try:
        asyncio.run(_main())
    except* SignalboxError as errors:
        status = 1
        for error in errors.exceptions:
            # What the operator has to change is said in the error's own words.
            said = None if isinstance(error, ConfigurationError) else error
            _log.error("stopped", error=str(error), exc_info=said)
    return status


if __name__ == "__main__":
    sys.exit(main())
