"""The orchestrator's HTTP: health, metrics, and which agents there are."""

from fastapi import FastAPI

from orchestrator.dispatch.availability import AgentAvailabilities
from orchestrator.trust import Trust
from signalbox.telemetry import Readiness, operations_routes
from signalbox_decide.directory import Directory


def operations(
    readiness: Readiness, directory: Directory, availabilities: AgentAvailabilities, trust: Trust
) -> FastAPI:
    """Make the application that an operator asks."""
    app = FastAPI(title="Signalbox orchestrator", docs_url=None, redoc_url=None)
    app.include_router(operations_routes(readiness))

    @app.get("/agents")
    async def agents() -> list[dict[str, object]]:
        seen, refused = availabilities.told(), trust.refusals.told()
        there = [
            agent.definition.model_dump() | {"dispatch": seen.get(name), "refused": refused.get(name)}
            for name, agent in sorted(directory.agents.items())
        ]
        # Whose announcements were refused, and who has none in force.
        absent = [name for name in refused if name not in directory.agents]
        return there + [{"id": name, "dispatch": None, "refused": refused[name]} for name in absent]

    return app
