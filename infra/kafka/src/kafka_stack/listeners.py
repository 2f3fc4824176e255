"""The server properties of a broker that lets no one in whom it does not know.

``SASL_SSL`` is for the clients: SCRAM, PLAIN and OAUTHBEARER over TLS. ``MUTUAL`` is for those with a
certificate: the brokers among themselves, and the administrator.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kafka_stack.broker import Node
from kafka_stack.certificates import Authority
from kafka_stack.issuer import AUDIENCE, ISSUER, Issuer

ADMINISTRATOR: Final = "admin"
_BROKER: Final = "broker"
_SECURITY: Final = "org.apache.kafka.common.security"
_CLIENTS: Final = "listener.name.sasl_ssl"


@dataclass(frozen=True, slots=True)
class Admission:
    """Whom the brokers know: by certificates, by tokens, and users with their passwords."""

    authority: Authority
    issuer: Issuer
    passwords: Mapping[str, str]


def overrides(node: Node, mutual_port: int, admission: Admission) -> dict[str, str | int]:
    """Return what a secured node has beyond a plain one; ACLs decide on everything but its super users."""
    hosts = dict.fromkeys((node.address.host, "127.0.0.1", "localhost"))
    mutual = f"MUTUAL://127.0.0.1:{mutual_port}"
    return {
        "listeners": (
            f"SASL_SSL://{node.address.bind_host}:{node.address.port},{mutual},CONTROLLER://{node.controller}"
        ),
        "advertised.listeners": f"SASL_SSL://{node.address},{mutual}",
        "listener.security.protocol.map": "SASL_SSL:SASL_SSL,MUTUAL:SSL,CONTROLLER:SSL",
        "inter.broker.listener.name": "MUTUAL",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "false",
        "super.users": f"User:{_BROKER};User:{ADMINISTRATOR}",
        "ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/,DEFAULT",
        **_tls(admission.authority.key_store(_BROKER, hosts), admission.authority.certificate),
        **_sasl(admission),
    }


def _tls(key_store: Path, trusted: Path) -> dict[str, str]:
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(key_store),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(trusted),
        "listener.name.mutual.ssl.client.auth": "required",
        "listener.name.controller.ssl.client.auth": "required",
    }


def _sasl(admission: Admission) -> dict[str, str]:
    users = " ".join(f'user_{name}="{password}"' for name, password in admission.passwords.items())
    tokens = f"{_CLIENTS}.oauthbearer.sasl"
    return {
        f"{_CLIENTS}.sasl.enabled.mechanisms": "SCRAM-SHA-512,SCRAM-SHA-256,PLAIN,OAUTHBEARER",
        f"{_CLIENTS}.scram-sha-512.sasl.jaas.config": f"{_SECURITY}.scram.ScramLoginModule required;",
        f"{_CLIENTS}.scram-sha-256.sasl.jaas.config": f"{_SECURITY}.scram.ScramLoginModule required;",
        f"{_CLIENTS}.plain.sasl.jaas.config": f"{_SECURITY}.plain.PlainLoginModule required {users};",
        f"{tokens}.jaas.config": f"{_SECURITY}.oauthbearer.OAuthBearerLoginModule required;",
        f"{tokens}.server.callback.handler.class": (
            f"{_SECURITY}.oauthbearer.OAuthBearerValidatorCallbackHandler"
        ),
        f"{tokens}.oauthbearer.jwks.endpoint.url": admission.issuer.jwks.as_uri(),
        f"{tokens}.oauthbearer.expected.audience": AUDIENCE,
        f"{tokens}.oauthbearer.expected.issuer": ISSUER,
    }


def java_options(issuer: Issuer) -> dict[str, str]:
    """Return the environment in which Java lets the broker read the issuer's keys."""
    prefix = "-Dorg.apache.kafka.sasl.oauthbearer.allowed"
    return {"JDK_JAVA_OPTIONS": f"{prefix}.urls={issuer.jwks.as_uri()} {prefix}.files={issuer.jwks}"}
