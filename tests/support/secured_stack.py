"""A running ``STACK=kafka-secured`` and the settings of its clients, right ones and wrong ones."""

from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr

from kafka_stack.certificates import Authority
from kafka_stack.issuer import Issuer
from local_stack import Stack
from signalbox.kafka import KafkaSettings

_TIMES = {"session_timeout_ms": 10_000, "fetch_wait_max_ms": 500}


@dataclass(frozen=True)
class SecuredStack:
    """The stack, the authority of its certificates, and the issuer whose tokens its broker takes."""

    stack: Stack
    authority: Authority
    issuer: Issuer

    @property
    def trusted(self) -> str:
        return str(self.authority.certificate)

    def password(self, client: str) -> str:
        """Return the password of a client of the catalog."""
        return (self.stack.run_dir / "secrets" / "passwords" / client).read_text().strip()

    @property
    def passwords(self) -> dict[str, str]:
        folder = self.stack.run_dir / "secrets" / "passwords"
        return {path.name: path.read_text().strip() for path in folder.iterdir()}

    def kafka(self, **values: Any) -> KafkaSettings:
        """Return settings for the listener of the clients, with TLS and no identity but ``values``."""
        plain = {
            "bootstrap_servers": self.stack.addresses["broker"],
            "security_protocol": "SASL_SSL",
            "ssl_ca_location": self.trusted,
            **_TIMES,
        }
        return KafkaSettings(**{**plain, **values})

    def kafka_as(
        self, client: str, mechanism: str = "SCRAM-SHA-512", password: str | None = None
    ) -> KafkaSettings:
        """Return the settings of a client of the catalog, with its own password or another."""
        secret = SecretStr(self.password(client) if password is None else password)
        return self.kafka(sasl_mechanism=mechanism, sasl_username=client, sasl_password=secret)

    def kafka_with_certificate(self, name: str, **values: Any) -> KafkaSettings:
        """Return settings for the listener that knows clients by their certificates."""
        certificate, key = self.authority.issue(name)
        return self.mutual(ssl_certificate_location=str(certificate), ssl_key_location=str(key), **values)

    def mutual(self, **values: Any) -> KafkaSettings:
        """Return settings for that listener, with no certificate but in ``values``."""
        port = self.stack.process("broker").environment["BROKER_MUTUAL_PORT"]
        return self.kafka(bootstrap_servers=f"127.0.0.1:{port}", security_protocol="SSL", **values)
