"""Problems: errors as RFC 9457 answers them."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from console.queries import UnknownCursor
from signalbox.protocol.errors import Unavailable
from signalbox.telemetry.problems import problem_response


class NotThere(Exception):
    """What was asked for is not known here, now."""


def install(app: FastAPI) -> None:
    """Answer this project's errors, and what a request got wrong, with problem bodies."""
    app.add_exception_handler(NotThere, _not_there)
    app.add_exception_handler(UnknownCursor, _unknown_cursor)
    app.add_exception_handler(Unavailable, _unavailable)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)


def _not_there(_: Request, error: Exception) -> JSONResponse:
    return problem_response(404, str(error), title="Not found")


def _unknown_cursor(_: Request, error: Exception) -> JSONResponse:
    return problem_response(
        422, f"after={error}: there is nothing of that name to go on from", title="Unknown cursor"
    )


def _unavailable(_: Request, error: Exception) -> JSONResponse:
    return problem_response(503, str(error), title="Unavailable")


def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return problem_response(error.status_code, str(error.detail))


def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    places = [f"{'.'.join(str(part) for part in one['loc'][1:])}: {one['msg']}" for one in error.errors()]
    return problem_response(422, "; ".join(places), title="Invalid request")
