"""Health for probes: alive is not the same as ready."""

from collections.abc import Callable

import structlog
from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest

_log = structlog.get_logger(__name__)
_STARTING = "starting"
_READY = Gauge("signalbox_ready", "1 when the part of this process is ready, else 0", ["part"])


class Readiness:
    """The parts that must be there before work can be taken, and why one is not there now.

    A process is made with the names of its parts, all waiting; each part reports for itself.
    """

    def __init__(self, *parts: str) -> None:
        self._waiting: dict[str, str] = {}
        self._degraded: dict[str, str] = {}
        self._details: dict[str, Callable[[], str]] = {}
        for part in parts:
            self._note(part, _STARTING)

    def wait(self, part: str, why: str) -> None:
        """Say that ``part`` is not ready, and why, in a few words for the operator."""
        if part not in self._waiting:
            _log.warning("not ready", part=part, why=why)
        self._note(part, why)

    def _note(self, part: str, why: str) -> None:
        self._waiting[part] = why
        _READY.labels(part).set(0)

    def done(self, part: str) -> None:
        """Say that ``part`` is ready."""
        if self._waiting.pop(part, _STARTING) != _STARTING:
            _log.info("ready again", part=part)
        _READY.labels(part).set(1)

    def forget(self, part: str) -> None:
        """Say nothing of ``part`` any more: it has ended."""
        self._waiting.pop(part, None)
        self._degraded.pop(part, None)
        _READY.remove_by_labels({"part": part})

    def degraded(self, part: str, why: str | None) -> None:
        """Say that ``part`` is impaired while the rest goes on, or with None that it is well again."""
        if why is None:
            self._degraded.pop(part, None)
        else:
            self._degraded[part] = why

    def tell(self, part: str, said: Callable[[], str]) -> None:
        """Have ``said`` told of ``part`` whenever somebody asks, ready or not."""
        self._details[part] = said

    @property
    def details(self) -> dict[str, str]:
        """What is told of parts beside whether they are ready."""
        return {part: said() for part, said in self._details.items()}

    @property
    def ready(self) -> bool:
        """True when nothing is waited for."""
        return not self._waiting

    @property
    def waiting_for(self) -> list[str]:
        """One ``part: why`` each, in the order in which they began to wait."""
        return [f"{part}: {why}" for part, why in self._waiting.items()]

    @property
    def impaired(self) -> list[str]:
        """One ``part: why`` for each part that is impaired though the process is ready."""
        return [f"{part}: {why}" for part, why in self._degraded.items()]


def operations_routes(readiness: Readiness) -> APIRouter:
    """Make ``/healthz`` (alive), ``/readyz`` (200, or 503 with what is waited for) and ``/metrics``."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/healthz")
    async def healthz() -> dict[str, bool]:
        return {"alive": True}

    @routes.get("/readyz")
    async def readyz() -> JSONResponse:
        body = {
            "ready": readiness.ready,
            "waiting_for": readiness.waiting_for,
            "impaired": readiness.impaired,
            "details": readiness.details,
        }
        return JSONResponse(body, status_code=200 if readiness.ready else 503)

    @routes.get("/metrics")
    def metrics() -> Response:  # in a thread: some figures are read from a database
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return routes
