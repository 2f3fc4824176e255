"""An HTTPS server on loopback in a thread, for tests: certificates of the test's own authority."""

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from kafka_stack.certificates import Authority

_START_DEADLINE_S = 30


@contextmanager
def served_over_tls(app: ASGIApp, authority: Authority, *, clients: Path | None = None) -> Iterator[str]:
    """Serve ``app``; gives its URL. With ``clients``, an authority, a client needs a certificate of it."""
    certificate, key = authority.issue("server", ["127.0.0.1", "localhost"])
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_config=None,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        ssl_ca_certs=None if clients is None else str(clients),
        ssl_cert_reqs=ssl.CERT_NONE if clients is None else ssl.CERT_REQUIRED,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{_port(server)}"
    finally:
        server.should_exit = True
        thread.join(_START_DEADLINE_S)


def _port(server: uvicorn.Server) -> int:
    deadline = time.monotonic() + _START_DEADLINE_S
    while not server.started:
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.01)
    port: int = server.servers[0].sockets[0].getsockname()[1]
    return port
