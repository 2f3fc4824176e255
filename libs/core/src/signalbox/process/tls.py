"""TLS by four settings that each client has: whom to trust, our certificate, its key and its password."""

import ssl
from pathlib import Path
from typing import Final, Protocol

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from signalbox.process.settings import revealed, variable_of
from signalbox.protocol.errors import ConfigurationError

FILES: Final = ("ssl_ca_location", "ssl_certificate_location", "ssl_key_location")
FIELDS: Final = (*FILES, "ssl_key_password")


class TlsSettings(Protocol):
    """Settings with the four fields; the files are PEM, the first may be a folder."""

    @property
    def ssl_ca_location(self) -> str | None: ...
    @property
    def ssl_certificate_location(self) -> str | None: ...
    @property
    def ssl_key_location(self) -> str | None: ...
    @property
    def ssl_key_password(self) -> SecretStr | None: ...


def tls_context(settings: TlsSettings) -> ssl.SSLContext:
    """Return what connections are made with; files are read now.

    Raises:
        ConfigurationError: they do not hold what their variables say, or the password does not open the key.
    """
    password = revealed(settings.ssl_key_password)
    try:
        context = _trusting(settings.ssl_ca_location)
        if settings.ssl_certificate_location is not None:
            # An empty password fails for an encrypted key, where none would ask at the terminal.
            context.load_cert_chain(
                settings.ssl_certificate_location, settings.ssl_key_location, password or ""
            )
    except (ssl.SSLError, OSError) as error:
        kind = type(settings)
        assert issubclass(kind, BaseSettings)
        names = ", ".join(variable_of(kind, name) for name in FIELDS if getattr(settings, name) is not None)
        raise ConfigurationError(f"{names}: these PEM files can't be used: {error}") from error
    return context


def _trusting(location: str | None) -> ssl.SSLContext:
    if location is not None and Path(location).is_dir():
        return ssl.create_default_context(capath=location)
    return ssl.create_default_context(cafile=location)
