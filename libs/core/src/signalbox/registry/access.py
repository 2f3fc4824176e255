"""Where the Schema Registry is and who we are to it: one description for every client of it."""

import asyncio
import math
import ssl
import threading
import time
from collections.abc import AsyncGenerator, Generator
from typing import Any, Final, Self

import httpx2
from pydantic import AnyHttpUrl, Field, SecretStr, TypeAdapter, model_validator
from pydantic_settings import SettingsConfigDict

from signalbox.process import tls
from signalbox.process.settings import Settings, require_readable, revealed, variable_of
from signalbox.protocol.errors import ConfigurationError, NotAnAnswer, Unavailable, causes

_BASIC: Final = ("user", "password")
_OAUTH: Final = ("oauth_client_id", "oauth_client_secret", "oauth_token_url")
_OAUTH_OPTIONAL: Final = ("oauth_scope",)
_SPARE: Final = 0.8
"""A token is renewed when this part of its time is over."""
_SHORTEST_S: Final = 60.0
_REFUSED: Final = frozenset({400, 401, 403})


class RegistrySettings(Settings):
    """``SCHEMA_REGISTRY_*`` of the environment; ``timeout_s`` bounds each request, in seconds.

    At most one of: ``user`` with ``password``, ``token`` (a bearer token), ``oauth_*`` (client credentials,
    RFC 6749 section 4.4). ``logical_cluster`` and ``identity_pool`` are Confluent Cloud's. The files are PEM.
    """

    model_config = SettingsConfigDict(env_prefix="SCHEMA_REGISTRY_")

    url: str = "http://127.0.0.1:18081"
    user: str | None = None
    password: SecretStr | None = None
    token: SecretStr | None = None
    oauth_client_id: str | None = None
    oauth_client_secret: SecretStr | None = None
    oauth_token_url: str | None = None
    oauth_scope: str | None = None
    logical_cluster: str | None = None
    identity_pool: str | None = None
    ssl_ca_location: str | None = None
    ssl_certificate_location: str | None = None
    ssl_key_location: str | None = None
    ssl_key_password: SecretStr | None = None
    timeout_s: float = Field(default=5.0, gt=0)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        given = TypeAdapter(AnyHttpUrl).validate_python(self.url) if _is_url(self.url) else None
        if given is None:
            raise ValueError(f"{self._said('url')} is no http or https URL")
        if given.username or given.password:
            raise ValueError(
                f"{self._said('url')} holds credentials: they belong into {self._said('user')} and _PASSWORD"
            )
        ways = [_BASIC, ("token",), (*_OAUTH, *_OAUTH_OPTIONAL)]
        chosen = [way for way in ways if any(getattr(self, name) is not None for name in way)]
        if len(chosen) > 1:
            both = " and ".join(self._said(way[0]) for way in chosen)
            raise ValueError(f"{both} are both set: choose one way to authenticate")
        self._require_together(*_BASIC)
        self._require_together(*_OAUTH)
        self._require_together("ssl_certificate_location", "ssl_key_location")
        if given.scheme == "http" and (
            names := [name for name in tls.FIELDS if getattr(self, name) is not None]
        ):
            raise ValueError(f"{self._said(names[0])} is set, but {self._said('url')} has no TLS")
        require_readable(self, *tls.FILES)
        return self

    @property
    def bearer(self) -> "BearerToken | None":
        """Return where bearer tokens come from; None when none are used."""
        return BearerToken(self) if self.token is not None or self.oauth_client_id is not None else None

    def tls(self) -> ssl.SSLContext:
        """Return what connections are made with: whom to trust, and our own certificate.

        Raises:
            ConfigurationError: a file does not hold what its variable says.
        """
        return tls.tls_context(self)

    def _require_together(self, *names: str) -> None:
        there = [name for name in names if getattr(self, name) is not None]
        missing = [name for name in names if name not in there]
        if there and missing:
            raise ValueError(f"{self._said(there[0])} is set, but {self._said(missing[0])} is not")

    def _said(self, name: str) -> str:
        return variable_of(type(self), name)


class BearerToken:
    """The token in force: the one that was set, or one by OAuth client credentials, renewed in time."""

    def __init__(self, settings: RegistrySettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._fetched = ""
        self._renew_at = 0.0

    def value(self) -> str:
        """Return it; may ask the token endpoint, so it blocks.

        Raises:
            Unavailable: the endpoint can't be reached.
            NotAnAnswer: what it answers is none of RFC 6749.
            ConfigurationError: it refuses our credentials.
        """
        if (token := revealed(self._settings.token)) is not None:
            return token
        with self._lock:
            if time.monotonic() >= self._renew_at:
                self._fetch()
            return self._fetched

    def _fetch(self) -> None:
        settings = self._settings
        url = str(settings.oauth_token_url)
        asked = {"grant_type": "client_credentials"} | ({"scope": s} if (s := settings.oauth_scope) else {})
        own = (settings.oauth_client_id or "", revealed(settings.oauth_client_secret) or "")
        try:
            answer = httpx2.post(url, data=asked, auth=own, verify=settings.tls(), timeout=settings.timeout_s)
        except httpx2.HTTPError as error:
            if is_untrusted(error):
                raise ConfigurationError(f"the token endpoint {url} is not trusted: {error}") from error
            raise Unavailable("token endpoint", f"{url}: {error or type(error).__name__}") from error
        said = _object(answer)
        if answer.status_code in _REFUSED and isinstance(said.get("error"), str):
            refusal = f"the token endpoint {url} refuses SCHEMA_REGISTRY_OAUTH_*: {answer.status_code}"
            raise ConfigurationError(refusal)
        token = said.get("access_token")
        if not (answer.is_success and isinstance(token, str) and token):
            detail = f"{url} answered {answer.status_code} without an access_token"
            raise NotAnAnswer("token endpoint", detail)
        self._fetched = token
        self._renew_at = time.monotonic() + _seconds(said.get("expires_in")) * _SPARE


class RegistryAuth(httpx2.Auth):
    """Adds our identity to each request; passwords and tokens are read when it is sent."""

    def __init__(self, settings: RegistrySettings) -> None:
        self._settings = settings
        self._bearer = settings.bearer

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        settings = self._settings
        if self._bearer is not None:
            request.headers["authorization"] = f"Bearer {self._bearer.value()}"
            if settings.logical_cluster:
                request.headers["target-sr-cluster"] = settings.logical_cluster
            if settings.identity_pool:
                request.headers["confluent-identity-pool-id"] = settings.identity_pool
        elif settings.user is not None:
            password = revealed(settings.password) or ""
            yield from httpx2.BasicAuth(settings.user, password).auth_flow(request)
            return
        yield request

    async def async_auth_flow(
        self, request: httpx2.Request
    ) -> AsyncGenerator[httpx2.Request, httpx2.Response]:
        if self._bearer is not None:
            await asyncio.to_thread(self._bearer.value)  # may ask the token endpoint, which blocks
        for signed in self.auth_flow(request):
            yield signed


def is_untrusted(error: BaseException) -> bool:
    """Tell whether a connection failed because we don't trust the other side's certificate."""
    return any(isinstance(one, ssl.SSLCertVerificationError) for one in causes(error))


def untrusted(url: str, error: BaseException) -> str:
    """Say what is wrong then, and which setting names whom to trust."""
    return f"the registry at {url} is not trusted (SCHEMA_REGISTRY_SSL_CA_LOCATION): {error}"


def _object(answer: httpx2.Response) -> dict[str, Any]:
    try:
        said = answer.json()
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _seconds(lasts: Any) -> float:
    # RFC 6749 recommends expires_in, and servers write it as a number or as text.
    try:
        seconds = float(lasts)
    except (TypeError, ValueError):
        return _SHORTEST_S
    return seconds if math.isfinite(seconds) and seconds > 0 else _SHORTEST_S


def _is_url(text: str) -> bool:
    try:
        TypeAdapter(AnyHttpUrl).validate_python(text)
    except ValueError:
        return False
    return True
