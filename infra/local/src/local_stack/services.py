"""What every stack consists of, in one table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BROKER: Final = "broker"
REGISTRY: Final = "registry"
ORCHESTRATOR: Final = "orchestrator"

_PORTS_APART: Final = 10


@dataclass(frozen=True, slots=True)
class Service:
    """One process of a kind, and its port unless ``<SERVICE>_PORT`` moves it.

    ``kind`` is what runs: a folder's name, ``broker`` or ``registry``. Of some kinds there may be several;
    the first, with ``number`` 1, has the kind's own name and port.
    """

    kind: str
    first_port: int
    number: int = 1

    @property
    def name(self) -> str:
        return self.kind if self.number == 1 else f"{self.kind}_{self.number}"

    @property
    def default_port(self) -> int:
        return self.first_port + _PORTS_APART * (self.number - 1)

    @property
    def port_variable(self) -> str:
        return f"{self.name.upper()}_PORT"

    @property
    def host_variable(self) -> str:
        return f"{self.name.upper()}_HOST"


FOUNDATION: Final = (
    Service(BROKER, 19092),
    Service(REGISTRY, 18081),
)
"""Started first, stopped last: everything else needs them."""

APPLICATIONS: Final = (
    Service(ORCHESTRATOR, 8100),
    Service("lead_ingestion", 8101),
    Service("lead_scoring", 8102),
    Service("active_outreach", 8103),
    Service("nurture_campaign", 8104),
    Service("send_email", 8105),
    Service("lead_capture", 8000),
    Service("console", 8080),
)
"""Started together: each waits by itself for what it needs."""

SERVICES: Final = {service.name: service for service in FOUNDATION + APPLICATIONS}
"""One of each kind."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a process listens: ``host`` is the one to reach it by, ``bind_host`` the one it listens on."""

    bind_host: str
    port: int

    @property
    def host(self) -> str:
        return "127.0.0.1" if self.bind_host in {"0.0.0.0", "::", ""} else self.bind_host

    @classmethod
    def of(cls, service: Service, settings: Mapping[str, str]) -> "Address":
        return cls(settings[service.host_variable], int(settings[service.port_variable]))

    def settings_for(self, service: Service) -> dict[str, str]:
        """Return the variables that :meth:`of` reads."""
        return {service.host_variable: self.bind_host, service.port_variable: str(self.port)}

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self}"


def shared_settings(
    root: Path, run_dir: Path, services: Iterable[Service], addresses: Mapping[str, Address]
) -> dict[str, str]:
    """Make the settings that all processes of one stack share, whatever its broker and registry are."""
    settings = {
        "RUN_DIR": str(run_dir),
        "DATA_DIR": str(run_dir / "data"),
        "AGENT_KEYS_DIR": str(run_dir / "keys"),
        "CRM_FILE": str(root / "examples" / "crm.csv"),
        "CATALOG": str(root / "contracts" / "catalog.yaml"),
        "LEAD_CAPTURE_URL": addresses["lead_capture"].url,
        "CONSOLE_URL": addresses["console"].url,
        "SEND_EMAIL_URL": addresses["send_email"].url,
    }
    for service in services:
        settings |= addresses[service.name].settings_for(service)
    return settings
