"""Problem bodies: what a client gets when something is wrong (RFC 9457, ``application/problem+json``)."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from http import HTTPStatus
from itertools import islice
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from lead_capture.charges import TooManyLeads
from lead_capture.lead import InvalidLead, Problem
from lead_capture.leads_csv import UnreadableCsv
from signalbox.protocol.errors import Unavailable
from signalbox.telemetry.problems import problem_response

_RETRY_AFTER_S: Final = 5
_MOST_ERRORS: Final = 50
_LONGEST_DETAIL: Final = 1000


class BodyTooLarge(Exception):
    """A request body is longer than ``limit`` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is longer than {limit:,} bytes")


def problem(
    status: HTTPStatus, detail: str, errors: Iterable[Problem] = (), headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Make a problem response; each of ``errors`` is one bad field."""
    listed: list[dict[str, Any]] = [asdict(error) for error in islice(errors, _MOST_ERRORS)]
    for error in listed:
        error.update(field=shown(error["field"]), detail=shown(error["detail"], _LONGEST_DETAIL))
    more: dict[str, Any] = {"errors": listed} if listed else {}
    return problem_response(status, shown(detail, _LONGEST_DETAIL), headers=headers, **more)


def shown(text: str, longest: int = 100) -> str:
    """Make what a caller wrote fit to be quoted: short, and valid Unicode whatever he sent."""
    cut = text if len(text) <= longest else text[: longest - 1] + "…"
    return cut.encode("utf-8", "replace").decode()


def answer_with_problems(app: FastAPI) -> None:
    """Turn this service's exceptions into problem responses."""

    @app.exception_handler(InvalidLead)
    async def invalid_lead(_: Request, error: InvalidLead) -> JSONResponse:
        fields = ", ".join(dict.fromkeys(shown(bad.field) for bad in error.problems))
        detail = f"the lead was not accepted; see errors: {fields}"
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, error.problems)

    @app.exception_handler(UnreadableCsv)
    async def unreadable_csv(_: Request, error: UnreadableCsv) -> JSONResponse:
        return problem(HTTPStatus.UNPROCESSABLE_ENTITY, error.detail, error.problems)

    @app.exception_handler(BodyTooLarge)
    async def body_too_large(_: Request, error: BodyTooLarge) -> JSONResponse:
        return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(error))

    @app.exception_handler(TooManyLeads)
    async def too_many_leads(_: Request, error: TooManyLeads) -> JSONResponse:
        return problem(HTTPStatus.TOO_MANY_REQUESTS, str(error), headers={"Retry-After": str(error.seconds)})

    @app.exception_handler(Unavailable)
    async def unavailable(_: Request, error: Unavailable) -> JSONResponse:
        detail = f"{error.what} can't be reached now: try again; the same Idempotency-Key is the same lead"
        return problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": str(_RETRY_AFTER_S)})

    @app.exception_handler(HTTPException)
    async def http_error(_: Request, error: HTTPException) -> JSONResponse:
        return problem(HTTPStatus(error.status_code), error.detail, headers=error.headers)
