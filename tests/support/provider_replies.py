"""What an HTTP server may answer a model's client in any wire format, well or not."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

from fastapi import Response
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

Body = dict[str, Any]
Reply = Callable[[Body], Response | Awaitable[Response]]
"""Answers a request, which is given by its body."""
Good = dict[str, Any]
"""The right answer to what was asked, as an object of the schema."""
Written = Callable[[Good], Reply]
"""Says the right answer in some way, or spoils it."""

PAGE: Final = "<html><body><h1>502 Bad Gateway</h1></body></html>"
_DRIP_S: Final = 0.2


def sends(status: int, content: Any, kind: str = "application/json", **headers: str) -> Reply:
    """Send ``content``, JSON unless it is text or bytes; ``headers`` with ``_`` for ``-`` in their names."""
    sent = content if isinstance(content, bytes | str) else json.dumps(content)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: Response(sent, status, named, kind)


def hangs(seconds: float = 30) -> Reply:
    """Take the request, and don't answer for ``seconds``."""

    async def wait() -> Response:
        await asyncio.sleep(seconds)
        return Response(status_code=204)

    return lambda _: wait()


def drips(_: Body) -> Response:
    """Send a blank at a time without an end: no read of it takes long."""

    async def blanks() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(_DRIP_S)

    return StreamingResponse(blanks(), media_type="application/json")


def hangs_up_after(begun: bytes) -> Reply:
    """Close the connection after ``begun``, in the midst of an answer."""
    return lambda _: _Unfinished(begun)


class _Unfinished(Response):
    """The server closes the connection when an application returns before all of its answer was sent."""

    def __init__(self, begun: bytes) -> None:
        super().__init__(begun, media_type="application/json", headers={"content-length": "10000"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})


BROKEN_CONNECTIONS: Final[dict[str, Reply]] = {
    "it hangs": hangs(),
    "it drips": drips,
    "it hangs up after its head": hangs_up_after(b""),
    "it hangs up in its answer": hangs_up_after(b'{"id": "1", '),
}
"""They are the same in every wire format, and end with time-outs or broken connections: waited for."""
