"""The rules that compose.yaml keeps. Its form is checked against the Compose specification by `make lint`."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from compose_stack.images import CONTRACTS
from compose_stack.project import variables
from local_stack.services import APPLICATIONS, SERVICES

ROOT = Path(__file__).resolve().parents[3]
FILE = ROOT / "infra" / "compose" / "compose.yaml"
COMPOSED: dict[str, Any] = yaml.safe_load(FILE.read_text())
OURS = [*(service.name for service in APPLICATIONS), CONTRACTS]
AGENTS = [name for name in OURS if f"{name}_key" in COMPOSED["secrets"] and name != "orchestrator"]


@pytest.mark.parametrize("name", OURS)
def test_our_containers_can_write_nothing_and_have_no_privileges(name: str) -> None:
    service = COMPOSED["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert "user" not in service, "the image's own user is not root"
    assert "privileged" not in service


@pytest.mark.parametrize("name", COMPOSED["services"])
def test_every_container_has_limits_for_memory_processor_processes_and_log(name: str) -> None:
    service = COMPOSED["services"][name]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}
    assert "restart" in service
    assert "no-new-privileges:true" in service["security_opt"]


@pytest.mark.parametrize("name", COMPOSED["services"])
def test_every_image_has_a_version_and_can_be_set_to_a_digest(name: str) -> None:
    image = COMPOSED["services"][name]["image"]
    default = re.fullmatch(r"\$\{[A-Z_]+_IMAGE:-([^}]+:[^:}]+)\}", image)
    assert default, f"{image} can't be set"
    assert not default[1].endswith(":latest")


@pytest.mark.parametrize("name", COMPOSED["services"])
def test_ports_are_open_to_this_machine_only(name: str) -> None:
    for port in COMPOSED["services"][name].get("ports", []):
        assert port.startswith("127.0.0.1:")


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_reached_at_its_usual_port_unless_moved(name: str) -> None:
    service = SERVICES[name]
    (port,) = COMPOSED["services"][name]["ports"]
    assert port.startswith(f"127.0.0.1:${{{service.port_variable}:-{service.default_port}}}:")


@pytest.mark.parametrize("name", COMPOSED["services"])
def test_no_secret_is_a_setting(name: str) -> None:
    secret = re.compile(r"(PASSWORD|SECRET|TOKEN|API_KEY|SMTP_URL)$")
    assert not [
        setting for setting in COMPOSED["services"][name].get("environment", {}) if secret.search(setting)
    ]


def test_an_agent_sees_its_own_key_alone_and_the_orchestrator_none_of_an_agent() -> None:
    assert len(AGENTS) == 5
    public = ["orchestrator_public_key", "operator_public_key"]
    for name, service in COMPOSED["services"].items():
        mounted = [
            one for one in service.get("secrets", []) if "_key" in str(one) and "api_key" not in str(one)
        ]
        own = [{"source": f"{name}_key", "target": "agent_key"}, *public] if name in AGENTS else []
        assert mounted == (["orchestrator_key"] if name == "orchestrator" else own)
        assert not [one for one in service.get("volumes", []) if "SECRETS_DIR" in one]


@pytest.mark.parametrize("name", [service.name for service in APPLICATIONS])
def test_no_service_starts_before_the_contracts_are_registered(name: str) -> None:
    conditions = COMPOSED["services"][name]["depends_on"]
    assert conditions[CONTRACTS] == {"condition": "service_completed_successfully"}
    assert conditions["broker"] == conditions["registry"] == {"condition": "service_healthy"}


def test_the_orchestrator_calls_containers_of_this_network_only() -> None:
    allowed = re.compile(COMPOSED["services"]["orchestrator"]["environment"]["AGENT_ENDPOINT_ALLOW"])
    for name in AGENTS:
        assert allowed.fullmatch(COMPOSED["services"][name]["environment"]["AGENT_ENDPOINT"])
    for foreign in ("http://evil.example:80", "https://lead_scoring:8102", "http://10.0.0.7:80/x"):
        assert not allowed.fullmatch(foreign)


def test_what_the_file_takes_from_the_environment_is_known() -> None:
    known = variables(ROOT)
    assert {"LLM_MODEL", "LEAD_SCORING_PORT", "LEAD_SCORING_IMAGE", "HOP_LIMIT", "SECRETS_DIR"} <= known
    assert "PATH" not in known


def test_profiles_add_what_is_not_needed() -> None:
    profiles = {name: service.get("profiles") for name, service in COMPOSED["services"].items()}
    assert {name for name, found in profiles.items() if found} == {"prometheus", "grafana", "kafka_ui"}
