"""``STACK=kafka-secured``: as ``kafka``, with TLS, a user and a password for each client, and ACLs.

Its clients are those of ``contracts/catalog.yaml``; each has a file with its own password alone. Topics and
ACLs are made as on any cluster: `signalbox topics acls --apply`, `signalbox topics apply`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from kafka_stack import apicurio, broker, listeners
from kafka_stack.certificates import Authority
from kafka_stack.foundation import KafkaFoundation, cluster_of
from kafka_stack.issuer import Issuer
from kafka_stack.java import find_java
from kafka_stack.secret_files import password_file
from kafka_stack.users import set_passwords
from local_stack.foundation import Launch
from local_stack.governance import apply_acls
from local_stack.ports import free_ports
from local_stack.services import BROKER, REGISTRY, Address, Service
from signalbox.catalog import Catalog
from signalbox.kafka import KafkaSettings

_SECRETS: Final = "secrets"


class SecuredFoundation(KafkaFoundation):
    """Kafka that knows its clients, and a registry over TLS."""

    name = "kafka-secured"

    def settings(self, brokers: Sequence[Address], registry: Address) -> dict[str, str]:
        """Return the addresses; who a client is, and whom it trusts, :meth:`identity` says."""
        variables = [_mutual_variable(number) for number in range(1, len(brokers) + 1)]
        return {
            **super().settings(brokers, registry),
            "SCHEMA_REGISTRY_URL": f"https://{registry}{apicurio.CONFLUENT_API}",
            "AGENT_ENROLMENT": "granted",
            **{variable: str(port) for variable, port in free_ports(variables).items()},
        }

    def launch(self, service: Service, settings: Mapping[str, str]) -> Launch:
        """Start either with certificates of the stack's own authority."""
        data = Path(settings["DATA_DIR"]) / service.name
        authority = _authority(settings)
        if service.kind == BROKER:
            launch = self._broker(service, data, settings)
        else:
            address = Address.of(service, settings)
            certificate, key = authority.issue(REGISTRY, {address.host, "127.0.0.1", "localhost"})
            launch = apicurio.launch_over_tls(find_java(), self._artifacts, data, address, certificate, key)
        return replace(launch, authority=str(authority.certificate))

    def identity(self, client: str, settings: Mapping[str, str]) -> dict[str, str]:
        """Return the user of ``client`` with the file of its password, and the authority to trust."""
        trusted = str(_authority(settings).certificate)
        return {
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SSL_CA_LOCATION": trusted,
            "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
            "KAFKA_SASL_USERNAME": client,
            "KAFKA_SASL_PASSWORD_FILE": str(password_file(_secrets(settings) / "passwords" / client)),
            "SCHEMA_REGISTRY_SSL_CA_LOCATION": trusted,
        }

    def administrator(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Return the identity of the super user: a certificate, at the brokers' other listener."""
        authority = _authority(settings)
        certificate, key = authority.issue(listeners.ADMINISTRATOR)
        mutual = [settings[_mutual_variable(node.number)] for node in cluster_of(settings)]
        return {
            "KAFKA_BOOTSTRAP_SERVERS": ",".join(f"127.0.0.1:{port}" for port in mutual),
            "KAFKA_SECURITY_PROTOCOL": "SSL",
            "KAFKA_SSL_CA_LOCATION": str(authority.certificate),
            "KAFKA_SSL_CERTIFICATE_LOCATION": str(certificate),
            "KAFKA_SSL_KEY_LOCATION": str(key),
            # What a shell may have of another identity.
            **dict.fromkeys(("KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD_FILE"), ""),
        }

    def admit(self, root: Path, environment: Mapping[str, str], settings: Mapping[str, str]) -> None:
        """Make the users of all clients, and their ACLs.

        Raises:
            CommandFailed: the ACLs can't be set.
            Unavailable: the broker does not answer.
        """
        administrator = self.administrator(settings)
        set_passwords(_kafka(administrator), _passwords(settings))
        apply_acls(root, {**environment, **settings, **administrator})

    def _broker(self, service: Service, data: Path, settings: Mapping[str, str]) -> Launch:
        cluster = cluster_of(settings)
        node, issuer = cluster[service.number - 1], Issuer(_secrets(settings))
        admission = listeners.Admission(_authority(settings), issuer, _passwords(settings))
        mutual_port = int(settings[_mutual_variable(service.number)])
        own = listeners.overrides(node, mutual_port, admission)
        launch = broker.launch(find_java(), self._artifacts, data, node, cluster, own)
        (data / broker.SETTINGS).chmod(0o600)  # the passwords of PLAIN are in it
        return replace(launch, environment={**launch.environment, **listeners.java_options(issuer)})


def _kafka(identity: Mapping[str, str]) -> KafkaSettings:
    fields = {name.removeprefix("KAFKA_").lower(): value for name, value in identity.items()}
    values: dict[str, Any] = {name: value or None for name, value in fields.items()}
    values["sasl_password"] = values.pop("sasl_password_file")
    return KafkaSettings(**values)


def _secrets(settings: Mapping[str, str]) -> Path:
    return Path(settings["RUN_DIR"]) / _SECRETS


def _authority(settings: Mapping[str, str]) -> Authority:
    return Authority(_secrets(settings))


def _passwords(settings: Mapping[str, str]) -> dict[str, str]:
    folder = _secrets(settings) / "passwords"
    return {
        client: password_file(folder / client).read_text().strip()
        for client in Catalog.load(settings["CATALOG"]).clients
    }


def _mutual_variable(number: int) -> str:
    return f"{Service(BROKER, 0, number).name.upper()}_MUTUAL_PORT"
