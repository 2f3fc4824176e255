"""Which model, and how to reach it, from the environment."""

from pathlib import Path
from typing import Final, Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from signalbox.process.settings import Settings

OFFLINE: Final = "offline"
"""The name of the stand-in that needs no key and no network."""

Role = Literal["router", "agent"]


class ModelSettings(Settings):
    """``LLM_*`` of the environment; ``ROUTER_LLM_MODEL`` and ``AGENT_LLM_MODEL`` override ``LLM_MODEL``.

    ``timeout_s`` bounds one attempt from the first byte sent to the last byte read, in seconds.
    ``retries`` is how often a model may correct an answer that was invalid.
    """

    model_config = SettingsConfigDict(env_prefix="LLM_")

    model: str = ""
    router_model: str = Field(default="", validation_alias=AliasChoices("router_model", "ROUTER_LLM_MODEL"))
    agent_model: str = Field(default="", validation_alias=AliasChoices("agent_model", "AGENT_LLM_MODEL"))
    base_url: str | None = None
    api_key: SecretStr | None = None
    timeout_s: float = Field(default=60, gt=0)
    retries: int = Field(default=2, ge=0, le=10)
    call_log: Path | None = Field(default=None, validation_alias=AliasChoices("call_log", "MODEL_CALL_LOG"))

    def name_for(self, role: Role) -> str:
        """Return the model's name for ``role``; ``offline`` when none is set."""
        own = self.router_model if role == "router" else self.agent_model
        return own or self.model or OFFLINE
