"""Problems: errors as RFC 9457 answers them."""

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from console.queries import UnknownCursor
from signalbox.protocol.errors import Unavailable

_MEDIA_TYPE = "application/problem+json"


class NotThere(Exception):
    """What was asked for is not known here, now."""


def install(app: FastAPI) -> None:
    """Answer this project's errors, and what a request got wrong, with problem bodies."""
    app.add_exception_handler(NotThere, _not_there)
    app.add_exception_handler(UnknownCursor, _unknown_cursor)
    app.add_exception_handler(Unavailable, _unavailable)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _refused)


def _problem(status: int, title: str, detail: str) -> JSONResponse:
    body = {"type": "about:blank", "status": status, "title": title, "detail": detail}
    return JSONResponse(body, status_code=status, media_type=_MEDIA_TYPE)


def _not_there(_: Request, error: Exception) -> JSONResponse:
    return _problem(404, "Not found", str(error))


def _unknown_cursor(_: Request, error: Exception) -> JSONResponse:
    return _problem(422, "Unknown cursor", f"after={error}: there is nothing of that name to go on from")


def _unavailable(_: Request, error: Exception) -> JSONResponse:
    return _problem(503, "Unavailable", str(error))


def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return _problem(error.status_code, HTTPStatus(error.status_code).phrase, str(error.detail))


def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    places = [f"{'.'.join(str(part) for part in one['loc'][1:])}: {one['msg']}" for one in error.errors()]
    return _problem(422, "Invalid request", "; ".join(places))
