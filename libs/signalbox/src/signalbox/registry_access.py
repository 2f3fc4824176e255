"""Where the Schema Registry is and who we are to it: one description for every client of it."""

import ssl
import threading
import time
from collections.abc import Generator
from typing import Any, Final, Self

import httpx
from pydantic import AnyHttpUrl, Field, SecretStr, TypeAdapter, model_validator
from pydantic_settings import SettingsConfigDict

from signalbox import tls
from signalbox.errors import ConfigurationError, Unavailable
from signalbox.settings import Settings, require_readable, revealed, variable_of

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
            ConfigurationError: it refuses our credentials, or its answer has no token.
        """
        if (token := revealed(self._settings.token)) is not None:
            return token
        with self._lock:
            if time.monotonic() >= self._renew_at:
                self._fetch()
            return self._fetched

    def fields(self) -> dict[str, str]:
        """Return what Confluent's client takes from a provider of its own."""
        pool = self._settings.identity_pool
        return {
            "bearer.auth.token": self.value(),
            "bearer.auth.logical.cluster": self._settings.logical_cluster or "",
        } | ({"bearer.auth.identity.pool.id": pool} if pool else {})

    def _fetch(self) -> None:
        settings = self._settings
        url = str(settings.oauth_token_url)
        asked = {"grant_type": "client_credentials"} | ({"scope": s} if (s := settings.oauth_scope) else {})
        own = (settings.oauth_client_id or "", revealed(settings.oauth_client_secret) or "")
        try:
            answer = httpx.post(url, data=asked, auth=own, verify=settings.tls(), timeout=settings.timeout_s)
        except httpx.HTTPError as error:
            if is_untrusted(error):
                raise ConfigurationError(f"the token endpoint {url} is not trusted: {error}") from error
            raise Unavailable("token endpoint", f"{url}: {error or type(error).__name__}") from error
        if answer.status_code in _REFUSED:
            raise ConfigurationError(
                f"the token endpoint {url} refuses SCHEMA_REGISTRY_OAUTH_*: {answer.status_code}"
            )
        if not answer.is_success:
            raise Unavailable("token endpoint", f"{url} answered {answer.status_code}")
        self._take(url, answer)

    def _take(self, url: str, answer: httpx.Response) -> None:
        try:
            said = answer.json()
            self._fetched = str(said["access_token"])
            lasts_s = float(said.get("expires_in", _SHORTEST_S))
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ConfigurationError(f"the token endpoint {url} answered without an access_token") from None
        self._renew_at = time.monotonic() + lasts_s * _SPARE


class RegistryAuth(httpx.Auth):
    """Adds our identity to each request; passwords and tokens are read when it is sent."""

    def __init__(self, settings: RegistrySettings) -> None:
        self._settings = settings
        self._bearer = settings.bearer

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        settings = self._settings
        if self._bearer is not None:
            request.headers["authorization"] = f"Bearer {self._bearer.value()}"
            if settings.logical_cluster:
                request.headers["target-sr-cluster"] = settings.logical_cluster
            if settings.identity_pool:
                request.headers["confluent-identity-pool-id"] = settings.identity_pool
        elif settings.user is not None:
            password = revealed(settings.password) or ""
            yield from httpx.BasicAuth(settings.user, password).auth_flow(request)
            return
        yield request


def is_untrusted(error: BaseException) -> bool:
    """Tell whether a connection failed because we don't trust the other side's certificate."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, ssl.SSLCertVerificationError):
        seen = seen.__cause__ or seen.__context__
    return seen is not None


def untrusted(url: str, error: BaseException) -> str:
    """Say what is wrong then, and which setting names whom to trust."""
    return f"the registry at {url} is not trusted (SCHEMA_REGISTRY_SSL_CA_LOCATION): {error}"


def confluent_properties(settings: RegistrySettings) -> dict[str, Any]:
    """Return our identity in the words of Confluent's client.

    Raises:
        ConfigurationError: a secret's or certificate's file can't be used.
    """
    settings.tls()  # so that a file that is no certificate is told as such
    properties: dict[str, Any] = {
        "ssl.ca.location": settings.ssl_ca_location,
        "ssl.certificate.location": settings.ssl_certificate_location,
        "ssl.key.location": settings.ssl_key_location,
        "ssl.key.password": revealed(settings.ssl_key_password),
    }
    if settings.user is not None:
        properties["basic.auth.user.info"] = f"{settings.user}:{revealed(settings.password)}"
    return {name: value for name, value in properties.items() if value is not None}


def _is_url(text: str) -> bool:
    try:
        TypeAdapter(AnyHttpUrl).validate_python(text)
    except ValueError:
        return False
    return True
