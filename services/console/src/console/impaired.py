"""What the console can't answer now, told by its ``/readyz``: that is where a probe looks."""

from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from signalbox.telemetry import Readiness

_PROBED: Final = frozenset({"/healthz", "/readyz", "/metrics"})


class ImpairedAnswers:
    """Names each route whose last answer was a failure of ours, until it answers again."""

    def __init__(self, app: ASGIApp, readiness: Readiness) -> None:
        self._app = app
        self._readiness = readiness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and look at the status of its answer."""

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._note(scope, message["status"])
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            self._note(scope, HTTPStatus.INTERNAL_SERVER_ERROR)
            raise

    def _note(self, scope: Scope, status: int) -> None:
        path = getattr(scope.get("route"), "path", None)
        if path is not None and path not in _PROBED:
            failed = status >= HTTPStatus.INTERNAL_SERVER_ERROR
            self._readiness.degraded(path, f"its last answer was {status}" if failed else None)
