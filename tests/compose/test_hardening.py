"""What a container of ours may do, and what it and its image know."""

import json
import os
import re
import subprocess
from pathlib import Path

import httpx2
import pytest

from compose_stack import ComposeStack
from compose_stack.engine import docker
from local_stack.services import APPLICATIONS

NAMES = [service.name for service in APPLICATIONS]
AGENTS = ["lead_ingestion", "lead_scoring", "active_outreach", "nurture_campaign", "send_email"]


def executed(stack: ComposeStack, name: str, *command: str) -> subprocess.CompletedProcess[str]:
    words = ["docker", "exec", stack.process(name).container, *command]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def secrets(stack: ComposeStack) -> dict[str, str]:
    """Every secret of the stack by its file's name, and what leads to the package index."""
    folder = stack.run_dir / "compose" / "secrets"
    found = {
        str(path.relative_to(folder)): path.read_text().strip()
        for path in folder.rglob("*")
        if path.is_file()
    }
    if index := os.environ.get("PIP_CONFIG_FILE"):
        found["pip.conf"] = Path(index).read_text().strip().rpartition("=")[2].strip()
    return {name: secret for name, secret in found.items() if secret}


@pytest.mark.parametrize("name", NAMES)
def test_a_container_is_not_root_has_no_privileges_and_can_write_to_its_volume_only(
    composed: ComposeStack, name: str
) -> None:
    host = json.loads(docker("inspect", composed.process(name).container))[0]["HostConfig"]
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert host["Memory"] > 0
    assert host["PidsLimit"] > 0
    assert executed(composed, name, "id", "-u").stdout.strip() == "10001"
    status = executed(composed, name, "cat", "/proc/1/status").stdout.splitlines()
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status
    for path in ("/opt/venv/x", "/opt/signalbox/x", "/etc/x", "/x"):
        assert executed(composed, name, "touch", path).returncode != 0, path
    assert executed(composed, name, "touch", "/tmp/x").returncode == 0


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_is_in_an_image_or_in_the_settings_of_a_container(
    composed: ComposeStack, name: str
) -> None:
    image = composed.image(name)
    told = "\n".join(
        [
            docker("history", "--no-trunc", "--format", "{{json .}}", image),
            docker("image", "inspect", image),
            docker("inspect", "--format", "{{json .Config}}", composed.process(name).container),
            executed(
                composed, name, "sh", "-c", "tr '\\0' '\\n' < /proc/1/environ; tr '\\0' ' ' < /proc/1/cmdline"
            ).stdout,
        ]
    )
    known = secrets(composed)
    assert {"llm_api_key", "agents/lead_scoring.key"} <= set(known)
    assert not [secret_name for secret_name, secret in known.items() if secret in told]
    assert executed(composed, name, "sh", "-c", "cat /etc/pip.conf").stdout == ""


@pytest.mark.parametrize("name", AGENTS)
def test_an_agent_sees_its_own_key_only_and_refuses_who_has_no_token(
    composed: ComposeStack, name: str
) -> None:
    mounted = executed(composed, name, "ls", "/run/secrets").stdout.split()
    assert {one for one in mounted if "key" in one} - {"llm_api_key"} == {
        "agent_key",
        "operator_public_key",
        "orchestrator_public_key",
    }
    own = executed(composed, name, "cat", "/run/secrets/agent_key").stdout.strip()
    assert own == secrets(composed)[f"agents/{name}.key"]
    address = composed.addresses[name]
    for headers in ({}, {"authorization": "Bearer a.b.c"}):
        assert httpx2.post(f"{address}/messages", json={}, headers=headers).status_code == 401


def test_the_orchestrator_has_its_own_key_and_none_of_an_agent(composed: ComposeStack) -> None:
    mounted = executed(composed, "orchestrator", "ls", "/run/secrets").stdout.split()
    assert set(mounted) - {"llm_api_key"} == {"orchestrator_key"}


@pytest.mark.parametrize("name", NAMES)
def test_an_image_says_its_version_its_commit_and_its_contracts(composed: ComposeStack, name: str) -> None:
    labels = json.loads(docker("image", "inspect", composed.image(name)))[0]["Config"]["Labels"]
    assert labels["org.opencontainers.image.version"] == "0.1.0"
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", labels["org.opencontainers.image.revision"])
    contracts = json.loads(labels["signalbox.contracts"])
    assert set(contracts) == {"reads", "writes"}
    assert all(version >= 1 for side in contracts.values() for version in side.values())


@pytest.mark.parametrize("name", NAMES)
def test_an_image_has_its_own_service_and_no_other_and_no_installer(
    composed: ComposeStack, name: str
) -> None:
    listed = executed(composed, name, "sh", "-c", "ls /opt/venv/lib/python3*/site-packages").stdout.split()
    assert [other for other in NAMES if other in listed] == [name]
    assert not {"pip", "hatchling", "setuptools"} & set(listed)


def test_status_tells_each_container_with_its_process(composed: ComposeStack) -> None:
    command = [composed.root / ".venv" / "bin" / "signalbox", "status", "--json"]
    told = subprocess.run(command, env=composed.env, capture_output=True, text=True, check=True)
    found = json.loads(told.stdout)
    assert {one["service"] for one in found} == {"broker", "registry", *NAMES}
    assert all(one["ready"] and one["pid"] > 0 and one["address"] for one in found)
