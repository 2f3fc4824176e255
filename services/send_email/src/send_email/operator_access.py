"""Who may act as an operator here: the one place that decides it."""

from http import HTTPStatus

from fastapi import Request

from signalbox.agent.bearer import permits
from signalbox.agent.problems import Problem


async def require_operator(request: Request) -> None:
    """Let a request pass that the operator made.

    Raises:
        Problem: 401.
    """
    if not permits(request.headers.get("authorization"), request.app.state.service.parts.token):
        raise Problem(
            HTTPStatus.UNAUTHORIZED, "an operator's token is needed; `signalbox campaigns` sends it"
        )
