"""Apicurio Registry: one Java process, its store an H2 database in a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kafka_stack.artifacts import Artifacts
from local_stack.foundation import Launch
from local_stack.services import Address

CONFLUENT_API: Final = "/apis/ccompat/v7"
"""Where it speaks the Confluent Schema Registry's language."""

# A small heap and a quick start count for more here than throughput: it is asked a few times a minute.
_JVM: Final = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


def launch(java: str, artifacts: Artifacts, data: Path, address: Address) -> Launch:
    """Say how the registry is started; ``data`` is the folder of its store."""
    return _launch(
        java,
        artifacts,
        data,
        address.url,
        {
            "quarkus.http.host": address.bind_host,
            "quarkus.http.port": address.port,
        },
    )


def launch_over_tls(
    java: str, artifacts: Artifacts, data: Path, address: Address, certificate: Path, key: Path
) -> Launch:
    """Say how the registry is started so that it speaks TLS only; both files are PEM."""
    return _launch(
        java,
        artifacts,
        data,
        f"https://{address}",
        {
            "quarkus.http.host": address.bind_host,
            "quarkus.http.ssl-port": address.port,
            "quarkus.http.insecure-requests": "disabled",
            "quarkus.http.ssl.certificate.files": certificate,
            "quarkus.http.ssl.certificate.key-files": key,
        },
    )


def _launch(java: str, artifacts: Artifacts, data: Path, url: str, http: Mapping[str, object]) -> Launch:
    properties = {
        **http,
        # Every commit goes to the disk at once, so that a killed registry knows what it answered.
        "quarkus.datasource.jdbc.url": f"jdbc:h2:file:{data}/registry;WRITE_DELAY=0",
        "quarkus.datasource.jdbc.initial-size": 2,
        "quarkus.datasource.jdbc.min-size": 2,
        "quarkus.datasource.jdbc.max-size": 10,
        "quarkus.banner.enabled": "false",
        "quarkus.log.level": "WARN",
    }
    defined = [f"-D{name}={value}" for name, value in properties.items()]
    return Launch(
        [java, *_JVM, *defined, "-jar", str(artifacts.registry_jar)],
        url + CONFLUENT_API,
        readyz=f"{CONFLUENT_API}/config",
    )
