"""Who may act as an operator here: the one place that decides it, before anything of a body is read."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute

from signalbox.agent.bearer import permits
from signalbox.agent.problems import Problem

_BODY_LIMIT: Final = 64 * 1024


class OperatorRoute(APIRoute):
    """A route for operators alone."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            await require_operator(request)
            return await handle(request)

        return guarded


async def require_operator(request: Request) -> None:
    """Let a request pass that the operator made.

    Raises:
        Problem: 401; or 413, the body is larger than any that is needed, or its length is not told.
    """
    if not permits(request.headers.get("authorization"), request.app.state.service.parts.token):
        raise Problem(
            HTTPStatus.UNAUTHORIZED, "an operator's token is needed; `signalbox campaigns` sends it"
        )
    length = request.headers.get("content-length", "0" if request.method == "GET" else "")
    if not length.isdecimal() or int(length) > _BODY_LIMIT:
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {_BODY_LIMIT} bytes, and Content-Length")
