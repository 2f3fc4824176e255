"""How bodies are read and answers are made: content types, encodings, sizes, errors."""

import json
import logging
import sqlite3
import zlib
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from dev_registry.errors import RegistryError, bad_request, invalid_schema

V1_JSON = "application/vnd.schemaregistry.v1+json"
DEFAULT_JSON = "application/vnd.schemaregistry+json"
PLAIN_JSON = "application/json"
_ACCEPTED_BODIES = frozenset({V1_JSON, DEFAULT_JSON, PLAIN_JSON})
"""A web page may send no such body to another origin unasked, but one without a type, or plain text."""
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


def error_answer(status: int, code: int, message: str) -> Json:
    return Json({"error_code": code, "message": message}, status)


def body_reader(limit: int) -> Callable[[Request], Any]:
    """Return the dependency that reads a JSON object of at most ``limit`` bytes."""

    async def body(request: Request) -> dict[str, Any]:
        sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if sent not in _ACCEPTED_BODIES:
            raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        return _json_object(_unpacked(await _content(request, limit), request, limit))

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
        raise _too_large(limit)
    return bytes(content)


def _unpacked(content: bytes, request: Request, limit: int) -> bytes:
    match request.headers.get("content-encoding", "identity").strip().lower():
        case "identity":
            return content
        case "gzip" | "x-gzip":
            return _gunzipped(content, limit)
        case _:
            raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)


def _gunzipped(content: bytes, limit: int) -> bytes:
    unpacking = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        unpacked = unpacking.decompress(content, limit + 1)
    except zlib.error as fault:
        raise bad_request(f"The request body is not gzip: {fault}") from None
    if len(unpacked) > limit:
        raise _too_large(limit)
    if not unpacking.eof or unpacking.unused_data:
        raise bad_request("The request body is not one whole gzip stream")
    return unpacked


def _too_large(limit: int) -> RegistryError:
    return RegistryError(413, 413, f"The request is larger than {limit} bytes")


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
        return error_answer(error.status, error.code, error.message)

    @app.exception_handler(HTTPException)
    async def no_route(_: Request, error: HTTPException) -> Json:
        text = f"HTTP {error.status_code} {HTTPStatus(error.status_code).phrase}"
        return error_answer(error.status_code, error.status_code, text)

    @app.exception_handler(RequestValidationError)
    async def bad_parameter(_: Request, error: RequestValidationError) -> Json:
        first = error.errors()[0]
        if first["loc"][0] == "path":
            return error_answer(404, 404, "HTTP 404 Not Found")
        return error_answer(400, 400, f"{first['loc'][-1]}: {first['msg']}")

    @app.exception_handler(RecursionError)
    async def too_deep(_: Request, __: RecursionError) -> Json:
        refused = invalid_schema("Invalid schema: the schema is nested too deeply")
        return error_answer(refused.status, refused.code, refused.message)

    @app.exception_handler(sqlite3.Error)
    async def store_failed(_: Request, error: sqlite3.Error) -> Json:
        log.error("the store failed: %s", error)
        return error_answer(500, 50001, "Error in the backend data store")
