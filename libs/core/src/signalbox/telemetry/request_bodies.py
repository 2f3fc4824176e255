"""Request bodies come in time or the request ends: 408 for who is too slow, one line for who hangs up."""

import asyncio
import time
from http import HTTPStatus
from typing import Final

import structlog
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from signalbox.protocol.errors import causes
from signalbox.telemetry.http_limits import HttpLimits
from signalbox.telemetry.problems import problem_response
from signalbox.telemetry.repeated import Repeated

_LOG: Final[FilteringBoundLogger] = structlog.get_logger(module=__name__)
_GONE: Final[Message] = {"type": "http.disconnect"}


class RequestBodies:
    """Times the body of each request while the application waits for it, and ends what can't be answered.

    To the application a client that is too slow is one that has hung up; the client gets 408. A request whose
    length is told in two ways is refused: a proxy before us may have believed the other one (RFC 9112, 6.1).
    """

    def __init__(self, app: ASGIApp, limits: HttpLimits) -> None:
        self._app = app
        self._limits = limits
        self._repeated = Repeated()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if {b"content-length", b"transfer-encoding"} <= {name for name, _ in scope["headers"]}:
            both = "the request has a Content-Length and a Transfer-Encoding: send one of them"
            await _refusal(HTTPStatus.BAD_REQUEST, both)(scope, receive, send)
            return
        body = _TimedBody(receive, self._limits)
        answer = _Answer(send, body)
        try:
            await self._app(scope, body.receive, answer.send)
        except Exception as error:
            if not (body.ended and _hung_up(error)):
                raise
        if body.late and not answer.started:
            self._note("request_body_late", scope)
            slow = "the request's body did not come in time: send it again"
            await _refusal(HTTPStatus.REQUEST_TIMEOUT, slow)(scope, receive, send)
        elif body.ended and not body.late:
            self._note("client_hung_up", scope)

    def _note(self, event: str, scope: Scope) -> None:
        left_out = self._repeated.due(event)
        if left_out is not None:
            _LOG.info(event, method=scope["method"], path=scope["path"][:100], more_before=left_out)


class _TimedBody:
    """The body of one request: ``receive`` says that the client is gone when it is not here in time."""

    def __init__(self, receive: Receive, limits: HttpLimits) -> None:
        self._receive = receive
        self._limits = limits
        self._began = time.monotonic()
        self._read = 0
        self._complete = False
        self.late = False
        self.ended = False
        """True when the body broke off, by the client or by us."""

    async def receive(self) -> Message:
        if self._complete:
            return await self._receive()
        if self.ended:
            return _GONE
        try:
            async with asyncio.timeout_at(self._deadline()):
                message = await self._receive()
        except TimeoutError:
            self.late = self.ended = True
            return _GONE
        if message["type"] == "http.disconnect":
            self.ended = True
        self._read += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        return message

    def _deadline(self) -> float:
        """Return when the next piece must be here, in the loop's time, which is the monotonic clock."""
        limits = self._limits
        earned = limits.http_body_grace_s + self._read / limits.http_body_bytes_per_s
        return self._began + min(earned, limits.http_body_s)


class _Answer:
    """The application's answer; after a body that was late there is none but ours."""

    def __init__(self, send: Send, body: _TimedBody) -> None:
        self._send = send
        self._body = body
        self.started = False

    async def send(self, message: Message) -> None:
        if self._body.late and not self.started:
            return
        self.started = True
        await self._send(message)


def _refusal(status: HTTPStatus, detail: str) -> JSONResponse:
    return problem_response(status, detail, headers={"Connection": "close"})


def _hung_up(error: BaseException | None) -> bool:
    """Say whether an error is, or comes from, the client's going."""
    if isinstance(error, BaseExceptionGroup):
        return all(_hung_up(one) for one in error.exceptions)
    return any(isinstance(one, ClientDisconnect) for one in causes(error))
