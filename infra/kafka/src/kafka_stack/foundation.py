"""The broker and registry of ``STACK=kafka``, as the stack asks for them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kafka_stack import apicurio, broker
from kafka_stack.artifacts import Artifacts
from kafka_stack.java import find_java
from local_stack.foundation import Launch
from local_stack.ports import free_ports
from local_stack.progress import Progress
from local_stack.services import BROKER, Address, Service

_CONTROLLER_PORT: Final = "BROKER_CONTROLLER_PORT"
_SESSION_TIMEOUT_MS: Final = 10_000
_FETCH_WAIT_MAX_MS: Final = 500


class KafkaFoundation:
    """One broker that is its own controller, and one registry; both keep what they have on disk."""

    name = "kafka"
    keeps_records = True

    def __init__(self, root: Path) -> None:
        self._artifacts = Artifacts(root)

    def prepare(self, progress: Progress) -> None:
        """Find Java, and fetch the artifacts unless they are there.

        Raises:
            ConfigurationError: Java or Maven is missing or too old, or Maven could not fetch.
        """
        find_java()
        self._artifacts.fetch(progress)

    def settings(self, broker: Address, registry: Address) -> dict[str, str]:
        """Return their addresses, and the client's usual time-outs: a real broker needs no others."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": str(broker),
            "SCHEMA_REGISTRY_URL": registry.url + apicurio.CONFLUENT_API,
            "KAFKA_SESSION_TIMEOUT_MS": str(_SESSION_TIMEOUT_MS),
            "KAFKA_FETCH_WAIT_MAX_MS": str(_FETCH_WAIT_MAX_MS),
            _CONTROLLER_PORT: str(free_ports([_CONTROLLER_PORT])[_CONTROLLER_PORT]),
        }

    def launch(self, service: Service, settings: Mapping[str, str]) -> Launch:
        """Start either with the Java that is found now."""
        address = Address.of(service, settings)
        data = Path(settings["DATA_DIR"]) / service.name
        if service.name == BROKER:
            return broker.launch(find_java(), self._artifacts, data, address, int(settings[_CONTROLLER_PORT]))
        return apicurio.launch(find_java(), self._artifacts, data, address)
