"""Every error answer is a problem document: RFC 9457, ``application/problem+json``."""

import math
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from signalbox.models import ModelRefused
from signalbox.protocol.errors import ConfigurationError, Fatal, Refusal, Unavailable, Unwritable
from signalbox.protocol.reasons import Reason
from signalbox.telemetry import logger
from signalbox.telemetry.problems import problem_response
from signalbox_agent.kit import Refuse

_log = logger(__name__)
_RETRY_AFTER_S: Final = 1.0

MODEL_REFUSED: Final = "MODEL_REFUSED"


class Problem(Exception):
    """An answer that is no success. ``reason`` is one word, ``field`` a place in the record or a header."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        reason: str = "",
        field: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.reason = reason
        self.field = field
        self.retry_after = retry_after


def unavailable(detail: str, retry_after: float | None = None) -> Problem:
    """Return 503 with ``Retry-After``, in seconds: the moment is bad, the message may not be."""
    wait = _RETRY_AFTER_S if retry_after is None else retry_after
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, reason="UNAVAILABLE", retry_after=wait)


def refused(detail: str, reason: str, field: str = "") -> Problem:
    """Return 422: this message will not be handled here, now or later."""
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, reason=reason, field=field)


def problem_of(error: Exception) -> Problem:
    """Choose the answer for what went wrong with a message; the class of the error says the reaction."""
    match error:
        case Problem():
            return error
        case Unavailable():
            return unavailable(str(error), error.retry_after)
        case Fatal() | ConfigurationError() | Unwritable():
            # Not the message's fault: it waits until a new process, or the operator, has mended this one.
            return unavailable("the agent can't work; its log says why")
        case Refusal() | Refuse():
            return refused(error.detail, error.reason, error.field)
        case ModelRefused():
            reason = Reason.RULE_VIOLATED if error.violated_check else MODEL_REFUSED
            return refused(str(error), reason)
        case _:
            return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "an unexpected error; the service's log has it")


def response(problem: Problem) -> JSONResponse:
    """Write ``problem`` as the answer."""
    kind = (problem.reason or problem.status.name).lower().replace("_", "-")
    more = {name: value for name in ("reason", "field") if (value := getattr(problem, name))}
    headers = {}
    if problem.retry_after is not None:
        headers["retry-after"] = str(max(1, math.ceil(problem.retry_after)))
    if problem.status is HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    return problem_response(
        problem.status, problem.detail, kind=f"urn:signalbox:problem:{kind}", headers=headers, **more
    )


def answer_with_problems(app: FastAPI) -> None:
    """Make ``app`` answer every error as a problem document; what no one expected is logged, not shown."""

    @app.exception_handler(HTTPException)
    async def _framework(_: Request, error: HTTPException) -> JSONResponse:
        return response(Problem(HTTPStatus(error.status_code), str(error.detail)))

    @app.exception_handler(Problem)
    async def _ours(_: Request, error: Problem) -> JSONResponse:
        return response(error)

    @app.exception_handler(Exception)
    async def _unexpected(_: Request, error: Exception) -> JSONResponse:
        _log.error("unexpected_error", exc_info=error)
        return response(problem_of(error))
