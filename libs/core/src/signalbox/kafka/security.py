"""Who we are to the broker, and how we know it: TLS and SASL, in librdkafka's words.

A variable is librdkafka's property in capitals: ``ssl.ca.location`` is ``KAFKA_SSL_CA_LOCATION``.
"""

from collections.abc import Callable
from typing import Any, Final, Literal, Self

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from signalbox.process import tls
from signalbox.process.settings import Settings, require_readable, revealed, variable_of
from signalbox.protocol.errors import ConfigurationError

Protocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "AWS_MSK_IAM"]

_PASSWORD: Final = ("sasl_username", "sasl_password")
_OIDC: Final = (
    "sasl_oauthbearer_client_id",
    "sasl_oauthbearer_client_secret",
    "sasl_oauthbearer_token_endpoint_url",
)
_OIDC_OPTIONAL: Final = ("sasl_oauthbearer_scope", "sasl_oauthbearer_extensions", "https_ca_location")
_IAM: Final = ("aws_region",)
_NEEDED: Final[dict[str, tuple[str, ...]]] = {
    "PLAIN": _PASSWORD,
    "SCRAM-SHA-256": _PASSWORD,
    "SCRAM-SHA-512": _PASSWORD,
    "OAUTHBEARER": _OIDC,
    "AWS_MSK_IAM": _IAM,
}
"""What a mechanism can't do without."""
_TAKEN: Final = {**_NEEDED, "OAUTHBEARER": (*_OIDC, *_OIDC_OPTIONAL)}
_SASL: Final = ("sasl_mechanism", *_PASSWORD, *_OIDC, *_OIDC_OPTIONAL)

TokenCallback = Callable[[str], tuple[str, float]]
"""Returns a bearer token and when it ends, in seconds since the epoch; gets ``sasl.oauthbearer.config``."""


class BrokerSecurity(Settings):
    """Encryption and identity. What contradicts itself, or is set in vain, is refused: it is a typing error.

    Certificates and keys are PEM files; ``ssl_ca_location`` is one of trusted authorities, else the system's
    count. ``sasl_oauthbearer_extensions`` is ``key=value,…`` (Confluent Cloud: ``logicalCluster=…``).
    """

    model_config = SettingsConfigDict(env_prefix="KAFKA_")

    security_protocol: Protocol = "PLAINTEXT"
    sasl_mechanism: Mechanism | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    sasl_oauthbearer_client_id: str | None = None
    sasl_oauthbearer_client_secret: SecretStr | None = None
    sasl_oauthbearer_token_endpoint_url: str | None = None
    sasl_oauthbearer_scope: str | None = None
    sasl_oauthbearer_extensions: str | None = None
    https_ca_location: str | None = None
    ssl_ca_location: str | None = None
    ssl_certificate_location: str | None = None
    ssl_key_location: str | None = None
    ssl_key_password: SecretStr | None = None
    ssl_endpoint_identification_algorithm: Literal["https", "none"] = "https"
    aws_region: str | None = Field(default=None, validation_alias=AliasChoices("aws_region", "AWS_REGION"))

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        self._sasl_is_whole()
        if "SSL" not in self.security_protocol:
            self._refuse(tls.FIELDS, f"KAFKA_SECURITY_PROTOCOL is {self.security_protocol}, which has no TLS")
        self._require_with("ssl_key_location", "ssl_certificate_location")
        self._require_with("ssl_certificate_location", "ssl_key_location")
        self._require_with("ssl_key_password", "ssl_key_location")
        require_readable(self, *tls.FILES, "https_ca_location")
        return self

    def security(self) -> dict[str, Any]:
        """Return librdkafka's properties; secrets are read now, from their files where they are in files.

        Raises:
            ConfigurationError: a file can't be used, or what a mechanism needs is not installed.
        """
        properties: dict[str, Any] = {"security.protocol": self.security_protocol}
        if "SSL" in self.security_protocol:
            tls.tls_context(self)  # librdkafka would only say that a PEM file is wrong, not which
            properties |= {
                "ssl.ca.location": self.ssl_ca_location,
                "ssl.certificate.location": self.ssl_certificate_location,
                "ssl.key.location": self.ssl_key_location,
                "ssl.key.password": revealed(self.ssl_key_password),
                "ssl.endpoint.identification.algorithm": self.ssl_endpoint_identification_algorithm,
            }
        if self.sasl_mechanism is not None:
            properties |= self._sasl()
        return {name: value for name, value in properties.items() if value is not None}

    def _sasl(self) -> dict[str, Any]:
        match self.sasl_mechanism:
            case "OAUTHBEARER":
                return {
                    "sasl.mechanism": "OAUTHBEARER",
                    "sasl.oauthbearer.method": "oidc",
                    "sasl.oauthbearer.client.id": self.sasl_oauthbearer_client_id,
                    "sasl.oauthbearer.client.secret": revealed(self.sasl_oauthbearer_client_secret),
                    "sasl.oauthbearer.token.endpoint.url": self.sasl_oauthbearer_token_endpoint_url,
                    "sasl.oauthbearer.scope": self.sasl_oauthbearer_scope,
                    "sasl.oauthbearer.extensions": self.sasl_oauthbearer_extensions,
                    "https.ca.location": self.https_ca_location,
                }
            case "AWS_MSK_IAM":
                return {"sasl.mechanism": "OAUTHBEARER", "oauth_cb": msk_iam_token(self.aws_region or "")}
            case mechanism:
                return {
                    "sasl.mechanism": mechanism,
                    "sasl.username": self.sasl_username,
                    "sasl.password": revealed(self.sasl_password),
                }

    def _sasl_is_whole(self) -> None:
        if not self.security_protocol.startswith("SASL_"):
            self._refuse(
                _SASL,
                f"KAFKA_SECURITY_PROTOCOL is {self.security_protocol}: SASL needs SASL_SSL or SASL_PLAINTEXT",
            )
            return
        if self.sasl_mechanism is None:
            raise ValueError(
                f"KAFKA_SECURITY_PROTOCOL is {self.security_protocol}, but KAFKA_SASL_MECHANISM is not set"
            )
        for name in _NEEDED[self.sasl_mechanism]:
            if getattr(self, name) is None:
                raise ValueError(f"{self._said(name)} is not set; {self.sasl_mechanism} needs it")
        foreign = [name for name in _SASL[1:] if name not in _TAKEN[self.sasl_mechanism]]
        self._refuse(foreign, f"KAFKA_SASL_MECHANISM is {self.sasl_mechanism}")

    def _refuse(self, names: tuple[str, ...] | list[str], why: str) -> None:
        for name in names:
            if getattr(self, name) is not None:
                raise ValueError(f"{self._said(name)} is set, but {why}")

    def _require_with(self, name: str, other: str) -> None:
        if getattr(self, name) is not None and getattr(self, other) is None:
            raise ValueError(f"{self._said(name)} is set, but {self._said(other)} is not")

    def _said(self, name: str) -> str:
        return variable_of(type(self), name)


def msk_iam_token(region: str) -> TokenCallback:
    """Return what signs tokens for Amazon MSK with the AWS identity of this process (role, profile, keys).

    Raises:
        ConfigurationError: the extra ``msk`` is not installed.
    """
    try:
        from aws_msk_iam_sasl_signer import MSKAuthTokenProvider  # type: ignore[import-not-found,unused-ignore]
    except ImportError as error:
        raise ConfigurationError(
            "KAFKA_SASL_MECHANISM=AWS_MSK_IAM needs the package aws-msk-iam-sasl-signer-python"
            " (signalbox-core[msk])"
        ) from error

    def signed(_: str) -> tuple[str, float]:
        token, ends_ms = MSKAuthTokenProvider.generate_auth_token(region)
        return token, ends_ms / 1000

    return signed
