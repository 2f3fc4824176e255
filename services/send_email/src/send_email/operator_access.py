"""Who may act as an operator here: the one place that decides it, for the very request that is made."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute

from signalbox.trust import OPERATOR
from signalbox_agent.problems import Problem
from signalbox_agent.routes import parts_of

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
    length = request.headers.get("content-length", "0" if request.method == "GET" else "")
    if not length.isdecimal() or int(length) > _BODY_LIMIT:
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {_BODY_LIMIT} bytes, and Content-Length")
    asked = parts_of(request, await request.body())
    if (why := request.app.state.service.parts.door.permits(asked, (OPERATOR,))) is not None:
        raise Problem(
            HTTPStatus.UNAUTHORIZED, f"{why}: the operator has to sign it, as `signalbox campaigns` does"
        )
