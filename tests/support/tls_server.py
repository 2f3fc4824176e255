"""An HTTPS server on loopback in a thread, for tests: certificates of the test's own authority."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.types import ASGIApp

from kafka_stack.certificates import Authority
from serving import served_in_a_thread


@contextmanager
def served_over_tls(app: ASGIApp, authority: Authority, *, clients: Path | None = None) -> Iterator[str]:
    """Serve ``app``; gives its URL. With ``clients``, an authority, a client needs a certificate of it."""
    certificate, key = authority.issue("server", ["127.0.0.1", "localhost"])
    tls = {
        "log_config": None,
        "ssl_certfile": certificate,
        "ssl_keyfile": key,
        "ssl_ca_certs": None if clients is None else str(clients),
        "ssl_cert_reqs": ssl.CERT_NONE if clients is None else ssl.CERT_REQUIRED,
    }
    with served_in_a_thread(app, **tls) as port:
        yield f"https://127.0.0.1:{port}"
