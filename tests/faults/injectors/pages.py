"""Websites of leads' companies: a server of pages, whose harms are what a website can do to its readers."""

import asyncio
import gzip
import itertools
from collections.abc import Sequence
from typing import Final

from fault import Fault, Kind
from injectors.background import BackgroundLoop
from injectors.http_messages import HEAD_LIMIT, answer, read_request
from injectors.listener import Listener, reset, streams
from injectors.strikes import StrikeFault, Strikes

GOOD: Final = b"<html><head><title>Ferrum</title></head><body><p>Welcome.</p></body></html>"
_DRIP_S: Final = 0.2
_DRIPS: Final = 100
_FLOOD: Final = 64 * 1024


def _page(body: bytes, content_type: str = "text/html", **headers: str) -> bytes:
    return answer(200, body, content_type, connection="close", **headers)


def _head(lines: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 " + status + b"\r\ncontent-type: text/html\r\n" + lines + b"\r\n\r\n"


def _elsewhere(location: bytes) -> bytes:
    return _head(b"content-length: 0\r\nlocation: " + location, b"302 Found")


TEXTS: Final = (
    _page(b"<![foo["),
    _page(b"<![foo[<p>" * 20_000),
    _page(b"<!DOCTYPE [<!ENTITY a '&a;'>]>&a;&#xD800;&#99999999;"),
    _page(b"<div>" * 50_000),
    _page(b"<a" + b"".join(b" x%d=1" % number for number in range(30_000)) + b">"),
    _page("ż".encode() * 100_000, "text/html; charset=punycode"),
    _page(b"QlpoOTFBWSZT" * 1_000, "text/plain; charset=bz2"),
    _page(b"<p>" * 80_000, 'text/html; charset="' + '"' * 10_000),
    _page(b"\xff\xfe" + b"<\x00" * 100_000),
    _page(b"\x00\x1b[2J" * 1_000, "text/plain"),
    _page("<p>\u202e\U000e0041\u200b".encode() * 1_000),
)
"""What is hostile about the page itself."""

ANSWERS: Final = (
    b"\x00\xff rubbish\r\n\r\n",
    b"HTTP/1.1 999999 \xff\r\n\r\n",
    b"HTTP/9.9 200 OK\r\n\r\n",
    _page(gzip.compress(bytes(1_000_000)), content_encoding="gzip"),
    _head(b"content-length: 5") + b"much more than five bytes",
    _head(b"content-length: 500") + b"less",
    _head(b"content-length: -1"),
    _head(b"content-length: 1\r\ncontent-length: 2") + b"x",
    _head(b"transfer-encoding: chunked") + b"fffffffffffffffff\r\nx",
    _head(b"set-cookie: " + b"a=b; expires=" + b"1-" * 20_000),
    _head(b"\r\n".join(b"set-cookie: a%d=b" % number for number in range(5_000)) + b"\r\ncontent-length: 0"),
    _head(b"x: " + b"y" * 500_000),
    *(
        _elsewhere(place)
        for place in (
            b"\xff\xfe",
            b"",
            b"file:///etc/passwd",
            b"gopher://x/",
            b"javascript:1",
            b"//",
            b"http://[",
            b"http://a..b/",
        )
    ),
    *(
        _elsewhere(place)
        for place in (
            b"http://169.254.169.254/",
            b"http://[::1]:22/",
            b"http://xn--\xff/",
            b"//" + b"a" * 70_000,
            b"?",
        )
    ),
    b"HTTP/1.1 100 Continue\r\n\r\n" * 10_000,
    b"",
)
"""What is hostile about the answer around it."""


class PageServer:
    """Serves :data:`GOOD` at every path, and hostile pages in turn while a fault is on."""

    def __init__(self, loop: BackgroundLoop) -> None:
        self.strikes: Strikes[str] = Strikes()
        self.listener = Listener(loop, "pages", streams(self._serve, HEAD_LIMIT))
        self._texts = itertools.cycle(TEXTS)
        self._answers = itertools.cycle(ANSWERS)
        self._slow = itertools.cycle(("drips", "hangs", "floods"))

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.listener.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if await read_request(reader) is None:
                reset(writer.transport)
                return
            await self._answer(writer)
        except ConnectionError:
            reset(writer.transport)
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        match self.strikes.next():
            case _, "texts":
                writer.write(next(self._texts))
            case _, "answers":
                writer.write(next(self._answers))
            case _, "slow":
                await _slowly(writer, next(self._slow))
            case _:
                writer.write(_page(GOOD))
        await writer.drain()


async def _slowly(writer: asyncio.StreamWriter, how: str) -> None:
    """Answer without an end; the client's patience has to be the shorter one."""
    if how != "hangs":
        writer.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n" + (b"\r\n" if how == "floods" else b"")
        )
    for _ in range(_DRIPS):
        writer.write({"drips": b"x", "hangs": b"", "floods": b"<p>" * _FLOOD}[how])
        await writer.drain()
        await asyncio.sleep(_DRIP_S)


def page_faults(server: PageServer) -> Sequence[Fault]:
    """Return what websites do to agents; all who look are struck, for no page may cost its lead."""
    servers = {"whoever reads a website": server.strikes}
    modes = {"pages-hostile-text": "texts", "pages-hostile-answer": "answers", "pages-slow": "slow"}
    return [StrikeFault(name, Kind.PAGES, servers, mode) for name, mode in modes.items()]
