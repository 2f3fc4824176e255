"""Secrets as files: keys, and what the environment brings. No image and no setting has them."""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from local_stack.grants import GRANTS_FILE, grants_of
from signalbox.catalog import Catalog
from signalbox.protocol.errors import ConfigurationError

_FROM_ENVIRONMENT: Final = {"LLM_API_KEY": "llm_api_key", "SMTP_URL": "smtp_url"}
_MADE: Final = ("grafana_password",)
LEAD_API_KEYS: Final = "lead_api_keys"
"""To a container, who calls it from this machine is somebody in another network: the command has a key."""


def prepare_secrets(
    folder: Path, agents: Mapping[str, str], environment: Mapping[str, str], catalog: Path
) -> dict[str, str]:
    """Write the files that containers mount as secrets; return the settings that say which of them are there.

    ``agents`` are endpoints by id; each gets a key, and a grant of what ``catalog`` lets it take and give.
    Keys and passwords are made once and kept. The folder can be entered by its user only, which protects
    what is in it: that itself is readable, since a container's user has another number.

    Raises:
        ConfigurationError: a file that ``LLM_API_KEY_FILE`` or ``SMTP_URL_FILE`` names can't be read.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    _write(folder / GRANTS_FILE, grants_of(folder, agents, Catalog.load(str(catalog))))
    for path in (*folder.rglob("*.key"), *folder.rglob("*.pub")):
        path.chmod(0o444)
    for path in (folder / name for name in _MADE):
        if not path.exists():
            _write(path, secrets.token_urlsafe(32) + "\n")
    if not (folder / LEAD_API_KEYS).exists():
        _write(folder / LEAD_API_KEYS, f"operator={secrets.token_urlsafe(32)}\n")
    settings = {"SECRETS_DIR": str(folder), "AGENT_KEYS_DIR": str(folder)}
    for variable, name in _FROM_ENVIRONMENT.items():
        secret = _secret_of(variable, environment)
        _write(folder / name, secret)
        settings[f"{variable}_MOUNT"] = f"/run/secrets/{name}" if secret else ""
    return settings


def _secret_of(variable: str, environment: Mapping[str, str]) -> str:
    path = environment.get(f"{variable}_FILE", "")
    if not path:
        return environment.get(variable, "")
    try:
        return Path(path).read_text()
    except OSError as error:
        raise ConfigurationError(f"{variable}_FILE: {path} can't be read: {error.strerror}") from error


def _write(path: Path, text: str) -> None:
    # In place: a container that runs has this very file mounted, and a new one would not reach it.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    path.chmod(0o444)
