"""The names that a service answers to: a web page must not read it under the page's own name.

A page of ``evil.example`` whose name suddenly stands for an address of this machine (DNS rebinding) reads
what answers there, since the browser sees one origin. The browser says the page's name in ``Host``, so only
known names are answered. An IP address is no name that somebody could move, so it is known.
"""

import re
from collections.abc import Iterable
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from signalbox.protocol.errors import ConfigurationError
from signalbox.telemetry.problems import problem_response

PROBED: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked by probes, under whatever name or address they know; nothing personal is in them."""

_PORT: Final = re.compile(r":\d*\Z", re.ASCII)
_NAME: Final = re.compile(r"(\*\.)?[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*", re.ASCII)


def known_names(service: str, setting: str) -> frozenset[str]:
    """Return ``localhost``, the service's own name as containers call it, and those of ``ALLOWED_HOSTS``.

    ``setting`` has names with commas between; ``*.acme.example`` is every name below ``acme.example``.

    Raises:
        ConfigurationError: one of them is no host name.
    """
    given = {name.strip().lower().rstrip(".") for name in setting.split(",") if name.strip()}
    if wrong := sorted(name for name in given if not _NAME.fullmatch(name)):
        raise ConfigurationError(f"ALLOWED_HOSTS: {wrong[0]!r} is no host name (no scheme, port or path)")
    return frozenset({"localhost", service, service.replace("_", "-"), *given})


class KnownHosts:
    """Answers 421 (RFC 9110, 15.5.20) to requests for another host, except on :data:`PROBED` paths."""

    def __init__(self, app: ASGIApp, names: Iterable[str]) -> None:
        self._app = app
        names = frozenset(names)
        self._below = tuple(name.removeprefix("*") for name in names if name.startswith("*."))
        self._names = frozenset(name for name in names if not name.startswith("*."))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on when it is meant for us."""
        if scope["type"] in {"http", "websocket"} and scope["path"] not in PROBED:
            said = [value for name, value in scope["headers"] if name == b"host"]
            if len(said) != 1 or not self._knows(said[0].decode("latin-1")):
                await _misdirected(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _knows(self, host: str) -> bool:
        name = _PORT.sub("", host).lower().removesuffix(".")
        return name in self._names or name.endswith(self._below) or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        # An IPv6 address is in brackets here (RFC 3986, section 3.2.2).
        return bool(
            IPv6Address(name[1:-1]) if name.startswith("[") and name.endswith("]") else IPv4Address(name)
        )
    except ValueError:
        return False


_misdirected: Final = problem_response(
    HTTPStatus.MISDIRECTED_REQUEST,
    "this service does not answer to that host name; ALLOWED_HOSTS lists further ones",
)
