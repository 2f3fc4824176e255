"""What every request has in common: paths as they were sent, content types, sizes, errors, metrics."""

import json
import logging
import sqlite3
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dev_registry.errors import RegistryError, bad_request, invalid_schema

V1_JSON = "application/vnd.schemaregistry.v1+json"
DEFAULT_JSON = "application/vnd.schemaregistry+json"
PLAIN_JSON = "application/json"
_ACCEPTED_BODIES = frozenset({V1_JSON, DEFAULT_JSON, PLAIN_JSON, "application/octet-stream", ""})
_DRAINED = 16
"""How many times the limit is read and thrown away, so that the sender gets to see the answer."""

log = logging.getLogger("dev_registry")


class Json(Response):
    """An answer in the registry's own JSON content type; a ``str`` body is sent as it is."""

    media_type = V1_JSON

    def render(self, content: Any) -> bytes:
        if isinstance(content, str):
            return content.encode()
        return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _error(status: int, code: int, message: str) -> Json:
    return Json({"error_code": code, "message": message}, status)


class Requests:
    """The counts and times of requests, for /metrics; the route's pattern is the label, never a subject."""

    def __init__(self, metrics: CollectorRegistry) -> None:
        self._time = Histogram(
            "registry_request_seconds",
            "Time to answer a request",
            ["method", "route"],
            registry=metrics,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
        )
        self._count = Counter(
            "registry_requests_total",
            "Requests answered",
            ["method", "route", "status"],
            registry=metrics,
        )

    def answered(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        self._time.labels(scope["method"], route).observe(seconds)
        self._count.labels(scope["method"], route, status).inc()


class AsSent:
    """Routes by the path as sent, so that a subject may hold an escaped slash; sets the content type."""

    def __init__(self, app: ASGIApp, requests: Requests) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        scope = {**scope, "path": scope["raw_path"].decode("ascii", "replace")}
        plain = _wants_plain_json(scope)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                if plain:
                    message = {**message, "headers": [_plain(header) for header in message["headers"]]}
                self._requests.answered(scope, message["status"], time.perf_counter() - started)
            await send(message)

        await self._app(scope, receive, answer)


def _wants_plain_json(scope: Scope) -> bool:
    accept = b",".join(value for name, value in scope["headers"] if name == b"accept").decode("latin-1")
    types = {part.partition(";")[0].strip() for part in accept.split(",")}
    return PLAIN_JSON in types and not types & {V1_JSON, "*/*", "application/*"}


def _plain(header: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    return (header[0], PLAIN_JSON.encode()) if header == (b"content-type", V1_JSON.encode()) else header


def body_reader(limit: int) -> Callable[[Request], Any]:
    """Return the dependency that reads a JSON object of at most ``limit`` bytes."""

    async def body(request: Request) -> dict[str, Any]:
        sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if sent not in _ACCEPTED_BODIES:
            raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        return _json_object(await _content(request, limit))

    return body


async def _content(request: Request, limit: int) -> bytes:
    content, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= limit:
            content += chunk
        elif size > limit * _DRAINED:
            break
    if size > limit:
        raise RegistryError(413, 413, f"The request is larger than {limit} bytes")
    return bytes(content)


def _json_object(content: bytes) -> dict[str, Any]:
    if not content.strip():
        raise RegistryError(422, 422, "The request body may not be empty")
    try:
        value = json.loads(content)
    except RecursionError:
        raise bad_request("The request body is nested too deeply") from None
    except ValueError as error:
        raise bad_request(f"The request body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise bad_request("The request body is not a JSON object")
    return value


def answer_errors(app: FastAPI) -> None:
    """Make every error an answer with ``error_code`` and ``message``."""

    @app.exception_handler(RegistryError)
    async def refused(_: Request, error: RegistryError) -> Json:
        return _error(error.status, error.code, error.message)

    @app.exception_handler(HTTPException)
    async def no_route(_: Request, error: HTTPException) -> Json:
        text = f"HTTP {error.status_code} {HTTPStatus(error.status_code).phrase}"
        return _error(error.status_code, error.status_code, text)

    @app.exception_handler(RequestValidationError)
    async def bad_parameter(_: Request, error: RequestValidationError) -> Json:
        first = error.errors()[0]
        if first["loc"][0] == "path":
            return _error(404, 404, "HTTP 404 Not Found")
        return _error(400, 400, f"{first['loc'][-1]}: {first['msg']}")

    @app.exception_handler(RecursionError)
    async def too_deep(_: Request, __: RecursionError) -> Json:
        refused = invalid_schema("Invalid schema: the schema is nested too deeply")
        return _error(refused.status, refused.code, refused.message)

    @app.exception_handler(sqlite3.Error)
    async def store_failed(_: Request, error: sqlite3.Error) -> Json:
        log.error("the store failed: %s", error)
        return _error(500, 50001, "Error in the backend data store")
