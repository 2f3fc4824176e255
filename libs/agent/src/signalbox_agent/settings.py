"""How an agent service runs, from the environment."""

import os
import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from signalbox.process.settings import Settings
from signalbox.protocol.names import AgentId, RecordType

BODY_LIMIT: Final = 1024 * 1024
"""The largest body that ``POST /messages`` reads, in bytes."""

_WILDCARDS: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class AgentSettings(Settings):
    """Settings of one agent service.

    ``concurrency`` messages are worked on at once and ``queue_limit`` more may wait; ``AGENT_ENDPOINT`` is
    the address under which others reach this service, where it isn't the one it listens on. The announcement
    is repeated every ``announce_every_s`` seconds, since others may write over it.
    ``CONTRACT_REFRESH_S`` and ``CONTRACT_PINS`` (JSON: record type to version) are the orchestrator's, too:
    the agent holds its answers against the contracts that the gate will hold them against.
    """

    model_config = SettingsConfigDict(env_prefix="AGENT_")

    data_dir: Path = Field(default=Path(".run/data"), validation_alias=AliasChoices("data_dir", "DATA_DIR"))
    endpoint: str = ""
    announce_every_s: float = Field(default=45, gt=0)
    concurrency: int = Field(default=16, ge=1)
    queue_limit: int = Field(default=256, ge=0)
    state_retention_h: float = Field(
        default=168, gt=0, validation_alias=AliasChoices("state_retention_h", "STATE_RETENTION_H")
    )
    state_store_url: SecretStr | None = Field(  # it may hold a password
        default=None, validation_alias=AliasChoices("state_store_url", "STATE_STORE_URL")
    )

    contract_refresh_s: float = Field(
        default=15, gt=0, validation_alias=AliasChoices("contract_refresh_s", "CONTRACT_REFRESH_S")
    )
    contract_pins: dict[RecordType, int] = Field(
        default_factory=dict, validation_alias=AliasChoices("contract_pins", "CONTRACT_PINS")
    )

    def state_url(self, agent: AgentId) -> str:
        """Return the SQLAlchemy URL of the agent's state store; its folder is made where it is a file."""
        if self.state_store_url is not None:
            return self.state_store_url.get_secret_value()
        folder = self.data_dir / agent
        folder.mkdir(parents=True, exist_ok=True)
        return f"sqlite:///{(folder / 'state.db').absolute()}"


def variable_prefix(agent: AgentId) -> str:
    """Return what the agent's own variables begin with: ``lead_scoring`` listens at ``LEAD_SCORING_PORT``."""
    return re.sub(r"[^a-z0-9]", "_", agent)


def own_names() -> frozenset[str]:
    """Return the host name by which ``AGENT_ENDPOINT`` says that others reach this service, if it does."""
    host = urlsplit(AgentSettings().endpoint).hostname
    return frozenset({host}) if host else frozenset()


def own_address(agent: AgentId, default_port: int) -> str:
    """Return the address of this service as it listens, with no path."""
    prefix = variable_prefix(agent).upper()
    host = os.environ.get(f"{prefix}_HOST", "127.0.0.1")
    host = _WILDCARDS.get(host, host)
    port = os.environ.get(f"{prefix}_PORT", str(default_port))
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
