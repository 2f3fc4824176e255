"""No process writes a secret down, however talkative, while its broker and its registry are away."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from local_stack.processes import environment_of
from operating import free_port
from signalbox.trust import SigningKey

SECRETS = {
    "KAFKA_SASL_PASSWORD": "kafka-word-1f3a",
    "SCHEMA_REGISTRY_PASSWORD": "registry-word-2b7c",
    "LLM_API_KEY": "llm-key-3c9d",
    "SMTP_URL": "smtp://mailer:smtp-word-5e2f@127.0.0.1:{port}",
    "CRM_TOKEN": "crm-token-6f30",
    "LEAD_API_KEYS": "crm=lead-key-word-1a2b3c4d5e6f",
    "LEAD_STORE_URL": "sqlite:////{folder}/leads-word-7041.db",
    "STATE_STORE_URL": "sqlite:////{folder}/state-word-8152.db",
    "MAIL_SCHEDULE_URL": "sqlite:////{folder}/mails-word-9263.db",
}
WORDS = ["word-", "llm-key-", "crm-token-", "PRIVATE KEY"]
"""What each of them contains."""
KEYS = ["AGENT_SIGNING_KEY", "ORCHESTRATOR_SIGNING_KEY"]

OPEN = {
    "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_SASL_USERNAME": "ada",
    "SCHEMA_REGISTRY_USER": "ada",
    "LLM_MODEL": "openai:gpt-5",
    "LOG_LEVEL": "DEBUG",
}


def secret_settings(folder: Path, given_as: str) -> dict[str, str]:
    """Return settings with every secret of the system: given as values, or as the paths of files."""
    given = {name: value.format(port=free_port(), folder=folder) for name, value in SECRETS.items()}
    given |= {name: SigningKey.generate().pem for name in KEYS}
    if given_as == "values":
        return given
    for name, value in given.items():
        (folder / name).write_text(value + "\n")
    return {f"{name}_FILE": str(folder / name) for name in given}


def started(
    service: str, settings: dict[str, str], folder: Path, port: int, root: Path
) -> "subprocess.Popen[bytes]":
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("KAFKA_", "SCHEMA_"))},
        "KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}",
        "SCHEMA_REGISTRY_URL": f"http://127.0.0.1:{free_port()}",
        "DATA_DIR": str(folder),
        "AGENT_KEYS_DIR": str(folder / "keys"),
        f"{service.upper()}_PORT": str(port),
        **OPEN,
        **settings,
    }
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", service], env=environment, cwd=root, stdout=log, stderr=subprocess.STDOUT
        )


def speaks_of_its_broker(process: "subprocess.Popen[bytes]", url: str) -> bool:
    """Tell whether the process has tried the broker or the registry and says so."""
    assert process.poll() is None, "it ended"
    try:
        return httpx2.get(f"{url}/readyz").status_code == 503
    except httpx2.TransportError:
        return False


@pytest.mark.parametrize(
    ("service", "given_as"),
    [("orchestrator", "values"), ("send_email", "files"), ("lead_capture", "values"), ("console", "values")],
)
def test_a_process_writes_no_secret_into_its_log_or_its_command_line(
    service: str, given_as: str, tmp_path: Path, root: Path, wait_until: Any
) -> None:
    port = free_port()
    process = started(service, secret_settings(tmp_path, given_as), tmp_path, port, root)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: speaks_of_its_broker(process, url), "an answer of /readyz")
        if service == "lead_capture":
            httpx2.post(f"{url}/leads", json={"name": "Ada"})
        seen = httpx2.get(f"{url}/readyz").text + httpx2.get(f"{url}/metrics").text
        command_line = " ".join(psutil.Process(process.pid).cmdline())
        environment = environment_of(psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(60)
    log = (tmp_path / "log").read_text()
    assert log
    for word in WORDS:
        assert word not in log + seen + command_line
    if given_as == "files":
        assert not [name for name, value in environment.items() if any(word in value for word in WORDS)]


@pytest.mark.parametrize("service", ["orchestrator", "lead_scoring", "lead_capture", "console"])
def test_a_process_whose_secret_file_is_missing_ends_and_names_the_variable(
    service: str, tmp_path: Path, root: Path
) -> None:
    missing = {"KAFKA_SASL_PASSWORD_FILE": str(tmp_path / "not-there")}
    own = {**missing, "LLM_MODEL": "offline", "SCHEMA_REGISTRY_USER": ""}
    process = started(service, own, tmp_path, free_port(), root)
    try:
        assert process.wait(120) != 0
    finally:
        process.kill()
    assert "KAFKA_SASL_PASSWORD_FILE" in (tmp_path / "log").read_text()
