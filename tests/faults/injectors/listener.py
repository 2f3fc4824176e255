"""A TCP server of the loopback that can go away and come back under the same port."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Final

from injectors.background import BackgroundLoop
from local_stack.ports import free_ports

_BACKLOG: Final = 1024


class Listener:
    """Listens at ``port`` in the background; each connection gets a protocol made by ``protocol``."""

    def __init__(self, loop: BackgroundLoop, name: str, protocol: Callable[[], asyncio.BaseProtocol]) -> None:
        self.port = free_ports([name])[name]
        self._loop = loop
        self._protocol = protocol
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen; nothing happens when it does already."""
        await self._loop.run(self._open())

    async def close(self) -> None:
        """Refuse connections from now on; those that are open stay."""
        await self._loop.run(self._close())

    async def _open(self) -> None:
        if self._server is None:
            running = asyncio.get_running_loop()
            self._server = await running.create_server(
                self._protocol, "127.0.0.1", self.port, backlog=_BACKLOG, reuse_address=True
            )

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None


def streams(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    limit: int = 64 * 1024,
) -> Callable[[], asyncio.BaseProtocol]:
    """Make protocols that hand each connection to ``serve``, a coroutine function, as a pair of streams."""
    # The loop forgets a connection that it does not watch just now, and with it the task that serves it.
    kept: set[asyncio.Task[None] | None] = set()

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        kept.add(task)
        try:
            await serve(reader, writer)
        finally:
            kept.discard(task)

    return lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader(limit=limit), served)


def reset(transport: asyncio.WriteTransport) -> None:
    """Cut a connection with RST, as the death of the other side's machine would: nothing more is sent."""
    if transport.is_closing():
        return
    linger_not_at_all = struct.pack("ii", 1, 0)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_not_at_all)
    transport.abort()
