"""The brokers and the registry of ``STACK=kafka``, as the stack asks for them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from kafka_stack import apicurio, broker
from kafka_stack.artifacts import Artifacts
from kafka_stack.broker import Node
from kafka_stack.java import find_java
from local_stack.foundation import Launch
from local_stack.instances import all_services, counts_of
from local_stack.ports import free_ports
from local_stack.progress import Progress
from local_stack.services import BROKER, Address, Service

_SESSION_TIMEOUT_MS: Final = 10_000
_FETCH_WAIT_MAX_MS: Final = 500


class KafkaFoundation:
    """Brokers that are controllers, too, and one registry; all keep what they have on disk."""

    name = "kafka"
    keeps_records = True

    def __init__(self, root: Path) -> None:
        self._artifacts = Artifacts(root)

    def prepare(self, progress: Progress, brokers: int) -> None:
        """Find Java, and fetch the artifacts unless they are there; there may be any number of brokers.

        Raises:
            ConfigurationError: Java or Maven is missing or too old, or Maven could not fetch.
        """
        find_java()
        self._artifacts.fetch(progress)

    def settings(self, brokers: Sequence[Address], registry: Address) -> dict[str, str]:
        """Return their addresses, and the client's usual time-outs: a real broker needs no others."""
        replicas, in_sync = broker.replication(len(brokers))
        numbers = range(1, len(brokers) + 1)
        controllers = free_ports([_controller_variable(number) for number in numbers])
        return {
            "KAFKA_BOOTSTRAP_SERVERS": ",".join(map(str, brokers)),
            "KAFKA_REPLICATION_FACTOR": str(replicas),
            "KAFKA_MIN_INSYNC_REPLICAS": str(in_sync),
            "SCHEMA_REGISTRY_URL": registry.url + apicurio.CONFLUENT_API,
            "AGENT_ENROLMENT": "folder",
            "KAFKA_SESSION_TIMEOUT_MS": str(_SESSION_TIMEOUT_MS),
            "KAFKA_FETCH_WAIT_MAX_MS": str(_FETCH_WAIT_MAX_MS),
            **{variable: str(port) for variable, port in controllers.items()},
        }

    def launch(self, service: Service, settings: Mapping[str, str]) -> Launch:
        """Start either with the Java that is found now."""
        data = Path(settings["DATA_DIR"]) / service.name
        if service.kind == BROKER:
            cluster = cluster_of(settings)
            return broker.launch(find_java(), self._artifacts, data, cluster[service.number - 1], cluster)
        return apicurio.launch(find_java(), self._artifacts, data, Address.of(service, settings))

    def identity(self, client: str, settings: Mapping[str, str]) -> dict[str, str]:
        """Return nothing: everybody may do everything."""
        return {}

    def admit(self, root: Path, environment: Mapping[str, str], settings: Mapping[str, str]) -> None:
        """Do nothing: everybody is in."""


def cluster_of(settings: Mapping[str, str]) -> list[Node]:
    """Return all nodes of the stack with these settings, by their numbers."""
    return [
        Node(one.number, Address.of(one, settings), int(settings[_controller_variable(one.number)]))
        for one in all_services(counts_of(settings))
        if one.kind == BROKER
    ]


def _controller_variable(number: int) -> str:
    return f"{Service(BROKER, 0, number).name.upper()}_CONTROLLER_PORT"
