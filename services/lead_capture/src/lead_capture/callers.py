"""Who posts a lead: somebody on this machine, a program with an API key, or a stranger."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request
from pydantic import SecretStr
from starlette.exceptions import HTTPException

from lead_capture.forwarding import Address, Proxies, address_of, passed_on
from signalbox.process.settings import revealed
from signalbox.protocol.errors import ConfigurationError
from signalbox.telemetry import logger

_LOG: Final = logger(__name__)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
_SHORTEST_KEY: Final = 20


@dataclass(frozen=True, slots=True)
class Caller:
    """One who posts. ``name`` is that of the API key, if any; only strangers have an ``address``."""

    name: str = ""
    address: Address | None = None
    stranger: bool = False


LOCAL: Final = Caller()


class ApiKeys:
    """The keys of programs that may post without limits: ``name=key``, separated by commas or lines.

    Raises:
        ConfigurationError: one has no name, or is too short to be a secret. It is not quoted.
    """

    def __init__(self, secret: SecretStr | None) -> None:
        self._secret = secret
        self._keys()

    def holder(self, key: str) -> str | None:
        """Return the name of a key; None: there is no such key. A key file that changes counts at once."""
        given = hashlib.sha256(key.encode()).digest()
        found = [name for name, known in self._keys().items() if hmac.compare_digest(given, known)]
        return found[0] if found else None

    def _keys(self) -> dict[str, bytes]:
        return dict(map(_named, filter(None, re.split(r"[\s,]+", revealed(self._secret) or ""))))


class Callers:
    """Tells callers apart. A request that a proxy has passed on is never local, whoever the proxy is."""

    def __init__(self, proxies: Proxies, keys: ApiKeys) -> None:
        self._proxies = proxies
        self._keys = keys
        self._told = False

    def of(self, request: Request) -> Caller:
        """Say who posts.

        Raises:
            HTTPException: 401 when a key was given that is none of ours.
        """
        scheme, _, key = request.headers.get("authorization", "").strip().partition(" ")
        if scheme.lower() == "bearer":
            if (name := self._keys.holder(key.strip())) is None:
                raise unauthorized("this API key is not one of LEAD_API_KEYS")
            return Caller(name)
        peer = address_of(request.client.host) if request.client else None
        if peer is None:
            return Caller(stranger=True)
        forwarded = passed_on(request.headers)
        if peer.is_loopback and not forwarded and not _from_another_site(request):
            return LOCAL
        if peer in self._proxies:
            return Caller(address=self._proxies.client_of(peer, request.headers), stranger=True)
        if forwarded and not peer.is_global:
            self._tell(peer)
        return Caller(address=peer, stranger=True)

    def _tell(self, peer: Address) -> None:
        if not self._told:
            self._told = True
            todo = "list the proxy in TRUSTED_PROXIES, else all its visitors share one limit"
            _LOG.warning("proxy_not_listed", address=str(peer), todo=todo)


def unauthorized(detail: str) -> HTTPException:
    """Make the 401 that asks for an API key."""
    return HTTPException(HTTPStatus.UNAUTHORIZED, detail, {"WWW-Authenticate": 'Bearer realm="leads"'})


def _named(text: str) -> tuple[str, bytes]:
    name, separator, key = text.partition("=")
    if not separator or not _NAME.fullmatch(name):
        raise ConfigurationError(
            "LEAD_API_KEYS: each key needs a name: expected name=key, separated by commas"
        )
    if len(key) < _SHORTEST_KEY:
        raise ConfigurationError(f"LEAD_API_KEYS: the key of {name} has under {_SHORTEST_KEY} characters")
    return name, hashlib.sha256(key.encode()).digest()


def _from_another_site(request: Request) -> bool:
    """Say whether a page of another site posts through the browser of somebody on this machine."""
    origin = request.headers.get("origin")
    cross = request.headers.get("sec-fetch-site") in {"cross-site", "same-site"}
    return cross or (origin is not None and urlsplit(origin).netloc != request.headers.get("host", ""))
