"""Runs the registry: ``python -m dev_registry``."""

import asyncio
import logging
import os
import socket
import sys

import uvicorn

from dev_registry.app import create_app
from dev_registry.settings import Settings


def main() -> None:
    """Serve until SIGINT or SIGTERM. A setting or port that can't be used ends it with what to change."""
    os.umask(0o077)  # what it keeps is its user's alone
    try:
        settings = Settings.from_environment()
        listener = _listen(settings)
    except (ValueError, OSError) as error:
        sys.exit(f"dev_registry: {error}")
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("dev_registry").info(
        "listening on http://%s:%d, data in %s", settings.host, settings.port, settings.database
    )
    server = uvicorn.Server(
        uvicorn.Config(create_app(settings), log_config=None, access_log=False, lifespan="off")
    )
    with listener:
        asyncio.run(server.serve(sockets=[listener]))


def _listen(settings: Settings) -> socket.socket:
    """Open the port. The protocol is named, since asyncio sends small answers at once only if it is TCP."""
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(256)
    except OSError as error:
        raise OSError(
            f"can't listen on {settings.host}:{settings.port} ({error.strerror}); "
            "REGISTRY_PORT moves the port, REGISTRY_HOST the address"
        ) from error
    return listener


if __name__ == "__main__":
    main()
