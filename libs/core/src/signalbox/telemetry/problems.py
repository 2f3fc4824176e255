"""Problem documents: every error that an HTTP client gets is one (RFC 9457, ``application/problem+json``)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import JSONResponse

_MEDIA_TYPE: Final = "application/problem+json"


def problem_response(
    status: HTTPStatus | int,
    detail: str,
    *,
    title: str = "",
    kind: str = "about:blank",
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> JSONResponse:
    """Make the answer; ``kind`` is the problem's type, ``more`` are members beside the standard ones."""
    known = HTTPStatus(status)
    body = {"type": kind, "title": title or known.phrase, "status": known.value, "detail": detail, **more}
    return JSONResponse(body, known.value, dict(headers or {}), media_type=_MEDIA_TYPE)
