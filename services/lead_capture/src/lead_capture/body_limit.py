"""No request body is read past its path's limit, and none that is packed: its real length is not told."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lead_capture.problems import BodyTooLarge, problem

_LONGEST_NUMBER: Final = 18
"""In digits; longer ones are not worth reading."""


class BodyLimit:
    """Answers 413 at once when the announced length is too large, and stops reading when the real one is.

    ``limits`` maps paths to bytes; other paths take ``default`` bytes.
    """

    def __init__(self, app: ASGIApp, limits: Mapping[str, int], default: int) -> None:
        self._app = app
        self._limits = limits
        self._default = default

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a bounded body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limits.get(scope["path"], self._default)
        headers = dict(scope["headers"])
        coding = headers.get(b"content-encoding", b"identity").strip().lower()
        if coding not in {b"", b"identity"}:
            packed = problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the body without a Content-Encoding")
            packed.headers["Accept-Encoding"] = "identity"
            await packed(scope, receive, send)
            return
        announced = headers.get(b"content-length", b"0").strip()
        if announced.isdigit() and (len(announced) > _LONGEST_NUMBER or int(announced) > limit):
            too_large = problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, str(BodyTooLarge(limit)))
            await too_large(scope, receive, send)
            return
        await self._app(scope, _bounded(receive, limit), send)


def _bounded(receive: Receive, limit: int) -> Receive:
    read = 0

    async def receive_within_limit() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > limit:
            raise BodyTooLarge(limit)
        return message

    return receive_within_limit
