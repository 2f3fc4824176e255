"""One way to serve HTTP: uvicorn with our logs, and the port a setting."""

import asyncio
import logging
import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from signalbox.protocol.errors import ConfigurationError
from signalbox.telemetry.connections import guarded
from signalbox.telemetry.head import HeadLikeGet
from signalbox.telemetry.hosts import KnownHosts, known_names
from signalbox.telemetry.http_limits import HttpLimits
from signalbox.telemetry.repeated import RepeatedFilter
from signalbox.telemetry.request_bodies import RequestBodies

GRACEFUL_SHUTDOWN_S = 20
"""How long work in flight may take after SIGTERM, in seconds."""


class _QuietServer(uvicorn.Server):
    """uvicorn's server, except that it does not raise the signal again that it has already obeyed.

    Raising it again would end the process before the work behind the server is finished and committed.
    """

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)


class Server:
    """Serves ``app`` at ``<SERVICE>_HOST``:``<SERVICE>_PORT``; loopback unless told otherwise.

    It answers to ``localhost``, IP addresses, the service's name, ``names`` and ``ALLOWED_HOSTS``. Clients
    have the time and the connections of :class:`HttpLimits`.
    """

    def __init__(self, app: FastAPI, service: str, default_port: int, names: Iterable[str] = ()) -> None:
        prefix = service.upper()
        known = known_names(service, os.environ.get("ALLOWED_HOSTS", "")) | frozenset(names)
        self.host = os.environ.get(f"{prefix}_HOST", "127.0.0.1")
        self.port = _port(f"{prefix}_PORT", default_port)
        self.app = KnownHosts(HeadLikeGet(app), known)
        limits = HttpLimits()
        logging.getLogger("uvicorn.error").addFilter(RepeatedFilter())
        self._server = _QuietServer(
            uvicorn.Config(
                RequestBodies(self.app, limits),
                host=self.host,
                port=self.port,
                log_config=None,
                access_log=False,
                http=guarded(limits),
                ws="none",
                # uvicorn believes X-Forwarded-For of every process on this machine; who is to be believed
                # is for the application to say.
                proxy_headers=False,
                timeout_keep_alive=limits.http_keep_alive_s,
                timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_S,
            )
        )

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then finish what is in flight."""
        self._server.run()

    async def serve(self) -> None:
        """Serve inside a running event loop; signals are handled as by :meth:`run`."""
        await self._server.serve()

    def stop(self) -> None:
        """Ask :meth:`serve` to finish what is in flight and return."""
        self._server.should_exit = True


def _port(name: str, default: int) -> int:
    text = os.environ.get(name, str(default))
    if not (text.isdecimal() and 0 < int(text) < 65536):  # noqa: PLR2004 - TCP's own limit
        raise ConfigurationError(f"{name} is {text!r}, expected a TCP port from 1 to 65535")
    return int(text)
