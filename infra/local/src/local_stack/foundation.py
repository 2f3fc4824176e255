"""What stands under the services, a broker and a registry: which ones, ``STACK`` says."""

import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from local_stack.progress import Progress
from local_stack.services import Address, Service
from signalbox.errors import ConfigurationError

STACK_VARIABLE: Final = "STACK"
DEFAULT_STACK: Final = "local"

_FOUNDATIONS: Final = {
    "local": ("local_stack.development", "DevelopmentFoundation"),
    "kafka": ("kafka_stack", "KafkaFoundation"),
}


@dataclass(frozen=True, slots=True)
class Launch:
    """How one process is started, with what beyond the stack's settings, and where it then answers.

    ``readyz`` is the path that says whether it is ready; empty for a broker, which is asked in its protocol.
    """

    command: list[str]
    address: str
    readyz: str = "/readyz"
    environment: Mapping[str, str] = field(default_factory=dict)


class Foundation(Protocol):
    """A broker and a registry, as processes of this machine."""

    name: str
    """The value of ``STACK``."""
    keeps_records: bool
    """Whether records outlive the broker's process."""

    def prepare(self, progress: Progress) -> None:
        """Get what is needed to start them.

        Raises:
            ConfigurationError: something is missing on this machine; the text says what to install.
        """
        ...

    def settings(self, broker: Address, registry: Address) -> dict[str, str]:
        """Return how processes of the stack reach them, and what they have to know of them."""
        ...

    def launch(self, service: Service, settings: Mapping[str, str]) -> Launch:
        """Say how the broker or the registry is started with these settings; makes their files."""
        ...


def foundation_of(name: str, root: Path) -> Foundation:
    """Return the foundation that ``STACK`` names, for the checkout at ``root``.

    Raises:
        ConfigurationError: there is none of this name.
    """
    if name not in _FOUNDATIONS:
        raise ConfigurationError(f"STACK={name} is not there; there are {', '.join(_FOUNDATIONS)}")
    module, attribute = _FOUNDATIONS[name]
    foundation: Foundation = getattr(importlib.import_module(module), attribute)(root)
    return foundation


def application_launch(service: Service, settings: Mapping[str, str]) -> Launch:
    """Say how the orchestrator or a service is started: the same way on every foundation."""
    return Launch(
        [sys.executable, "-m", service.name],
        Address.of(service, settings).url,
        environment={"PYTHONUNBUFFERED": "1"},  # so that a log has the last line before a crash
    )
