"""An HTTP proxy in front of one service, whose harms are the ones that a client can meet."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import SplitResult, urlsplit

from injectors.background import BackgroundLoop
from injectors.http_messages import HEAD_LIMIT, Request, answer, read_request
from injectors.listener import Listener, reset, streams
from injectors.strikes import Strikes

_SUCCESS: Final = b"HTTP/1.1 2"


@dataclass(frozen=True, slots=True)
class Instead:
    """The service is not asked; this is the answer."""

    status: int
    body: bytes = b'{"detail": "a fault was injected"}'
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Late:
    """The service is asked after so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Hang:
    """The service is not asked, and no answer comes."""


@dataclass(frozen=True, slots=True)
class ResetAfterWork:
    """The service does its work and answers; the client gets a reset."""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """The service does its work; a 2xx answer arrives with other contents."""

    body: bytes


Harm: TypeAlias = Instead | Late | Hang | ResetAfterWork | Rewritten


class HttpProxy:
    """Listens at :attr:`url` for the service whose base address ``upstream`` gives.

    ``upstream`` is asked at each request, so it may be known later; raising KeyError or LookupError, it is
    not known yet, and the connection is reset. ``concerns`` says which requests a fault may strike.
    """

    def __init__(
        self,
        loop: BackgroundLoop,
        name: str,
        upstream: Callable[[], str],
        concerns: Callable[[Request], bool] = lambda _: True,
    ) -> None:
        self.strikes: Strikes[Harm] = Strikes()
        self._upstream = upstream
        self._concerns = concerns
        self.listener = Listener(loop, name, streams(self._serve, HEAD_LIMIT))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await read_request(reader)
            given = await self._harmed(request, reader) if request else None
            if given is None:
                reset(writer.transport)
                return
            writer.write(given)
            await writer.drain()
        except (ConnectionError, LookupError):
            # The service is away, or the client is: either way the connection is all that there is to end.
            reset(writer.transport)
        finally:
            writer.close()

    async def _harmed(self, request: Request, reader: asyncio.StreamReader) -> bytes | None:
        """Return what the client gets; None is a reset."""
        strike = self.strikes.next() if self._concerns(request) else None
        match strike:
            case _, Instead(status, body, content_type):
                return answer(status, body, content_type, connection="close")
            case _, Hang():
                await reader.read()  # ends when the client hangs up
                return None
            case _, Late(seconds):
                await asyncio.sleep(seconds)
                return await self._asked(request)
            case _, ResetAfterWork():
                await self._asked(request)
                return None
            case _, Rewritten(body):
                given = await self._asked(request)
                return answer(200, body, connection="close") if given.startswith(_SUCCESS) else given
            case _:
                return await self._asked(request)

    async def _asked(self, request: Request) -> bytes:
        """Return the service's whole answer, as it wrote it but for ``Connection``."""
        base = urlsplit(self._upstream())
        reader, writer = await asyncio.open_connection(base.hostname, _port(base))
        try:
            writer.write(request.closing(base.path.rstrip("/"), base.netloc))
            given = await reader.read()
        finally:
            writer.close()
        if not given:
            raise ConnectionResetError("the service ended without an answer")
        head, found, rest = given.partition(b"\r\n")
        return head + b"\r\nConnection: close" + found + rest


def _port(base: SplitResult) -> int:
    return base.port or 80
