"""What stands under the services, a broker and a registry: which ones, ``STACK`` says."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from local_stack.plugins import FOUNDATIONS, plugin
from local_stack.progress import Progress
from local_stack.services import ORCHESTRATOR, SERVICES, Address, Service

STACK_VARIABLE: Final = "STACK"
DEFAULT_STACK: Final = "local"
PYTHON_VARIABLE: Final = "SIGNALBOX_PYTHON"
"""Which Python runs a service: a release's, or where it is empty the stack's, with the checkout's code."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How one process is started, with what beyond the stack's settings, and where it then answers.

    ``readyz`` is the path that says whether it is ready; empty for a broker, which is asked in its protocol.
    ``authority`` is the certificate to trust where it speaks TLS.
    """

    command: list[str]
    address: str
    readyz: str = "/readyz"
    environment: Mapping[str, str] = field(default_factory=dict)
    authority: str = ""


class Foundation(Protocol):
    """Brokers and a registry, as processes of this machine."""

    name: str
    """The value of ``STACK``."""
    keeps_records: bool
    """Whether records outlive the broker's process."""

    def prepare(self, progress: Progress, brokers: int) -> None:
        """Get what is needed to start so many brokers, and a registry.

        Raises:
            ConfigurationError: there can't be so many, or something is missing on this machine; the text says
                what to install.
        """
        ...

    def settings(self, brokers: Sequence[Address], registry: Address) -> dict[str, str]:
        """Return how processes of the stack reach them, and what they have to know of them."""
        ...

    def launch(self, service: Service, settings: Mapping[str, str]) -> Launch:
        """Say how a broker or the registry is started with these settings; makes their files."""
        ...

    def identity(self, client: str, settings: Mapping[str, str]) -> dict[str, str]:
        """Return how a client (a service's kind, or a role of the catalog) says who it is; no secrets."""
        ...

    def admit(self, root: Path, environment: Mapping[str, str], settings: Mapping[str, str]) -> None:
        """Let the clients in, once the brokers run.

        Raises:
            SignalboxError: that can't be done.
        """
        ...


def foundation_of(name: str, root: Path) -> Foundation:
    """Return the foundation that ``STACK`` names, for the checkout at ``root``.

    Raises:
        ConfigurationError: there is none of this name.
    """
    foundation: Foundation = plugin(FOUNDATIONS, name)(root)
    return foundation


def application_launch(service: Service, settings: Mapping[str, str]) -> Launch:
    """Say how the orchestrator or a service is started: the same way on every foundation.

    A process looks for its address under the name of its kind, whichever of several it is.
    """
    address = Address.of(service, settings)
    environment = {
        "PYTHONUNBUFFERED": "1",  # so that a log has the last line before a crash
        "MALLOC_ARENA_MAX": "2",  # or glibc keeps what was freed, once for each thread of the Kafka clients
        **address.settings_for(SERVICES[service.kind]),
    }
    if service.kind == ORCHESTRATOR:
        # It names transactions: two processes with the same one would fence each other.
        environment["ORCHESTRATOR_REPLICA"] = "0" if service.number == 1 else str(service.number)
    python = settings.get(PYTHON_VARIABLE) or sys.executable
    return Launch([python, "-m", service.kind], address.url, environment=environment)
