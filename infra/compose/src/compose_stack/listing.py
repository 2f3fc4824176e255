"""The stack as ``stack.json`` lists it, so that `signalbox status` and later commands find it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from compose_stack.secrets import LEAD_API_KEYS
from local_stack.foundation import STACK_VARIABLE
from local_stack.services import APPLICATIONS, BROKER, FOUNDATION, REGISTRY
from local_stack.state import StackProcess

KIND: Final = "compose"
NAMES: Final = tuple(service.name for service in (*FOUNDATION, *APPLICATIONS))
_HOST: Final = "127.0.0.1"
_REGISTRY_PATH: Final = "/apis/ccompat/v7"


def listed(
    root: Path, project: str, ports: Mapping[str, int], settings: Mapping[str, str]
) -> list[StackProcess]:
    """Describe each container as commands on this machine see it; ``settings`` are those of the project."""
    environment = {**settings, **_of_commands(root, ports)}
    if folder := settings.get("SECRETS_DIR"):
        environment["LEAD_API_KEYS_FILE"] = str(Path(folder) / LEAD_API_KEYS)
    return [
        StackProcess(
            service=name,
            pid=0,
            create_time=0,
            address=_address(name, ports[name]),
            host=_HOST,
            port=ports[name],
            readyz={BROKER: "", REGISTRY: f"{_REGISTRY_PATH}/config"}.get(name, "/readyz"),
            environment=environment,
            container=f"{project}-{name}-1",
        )
        for name in NAMES
    ]


def _of_commands(root: Path, ports: Mapping[str, int]) -> dict[str, str]:
    return {
        STACK_VARIABLE: KIND,
        "KAFKA_BOOTSTRAP_SERVERS": _address(BROKER, ports[BROKER]),
        "KAFKA_SESSION_TIMEOUT_MS": "10000",
        "KAFKA_FETCH_WAIT_MAX_MS": "500",
        "SCHEMA_REGISTRY_URL": _address(REGISTRY, ports[REGISTRY]),
        "LEAD_CAPTURE_URL": _address("lead_capture", ports["lead_capture"]),
        "CONSOLE_URL": _address("console", ports["console"]),
        "CATALOG": str(root / "contracts" / "catalog.yaml"),
    }


def _address(name: str, port: int) -> str:
    if name == BROKER:
        return f"{_HOST}:{port}"
    return f"http://{_HOST}:{port}" + (_REGISTRY_PATH if name == REGISTRY else "")
