"""Which model, and how to reach it, from the environment."""

import os
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from signalbox.process.settings import Settings

OFFLINE: Final = "offline"
"""The name of the stand-in that needs no key and no network."""

ROUTE: Final = "route"
"""The router's task: its answer is a choice and a sentence."""

_Dollars = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
DollarBudget = Annotated[float, Field(ge=1e-6, le=1e9, allow_inf_nan=False)]
"""A budget in US dollars."""

Role = Literal["router", "agent"]


class ModelSettings(Settings):
    """``LLM_*`` of the environment; ``ROUTER_LLM_MODEL`` and ``AGENT_LLM_MODEL`` override ``LLM_MODEL``.

    One agent has a model of its own by its id: ``LEAD_SCORING_LLM_MODEL``. ``fallback`` is asked while the
    first is away.

    ``timeout_s`` bounds one attempt from the first byte sent to the last byte read, in seconds;
    ``deadline_s`` all attempts of one answer together. ``retries`` is how often a model may correct an
    answer that was invalid. ``max_tokens`` bounds an answer, ``route_max_tokens`` the router's, whose choice
    comes first. ``concurrency`` bounds this process's requests at once, ``rpm`` and ``tpm`` its requests and
    tokens a minute. ``output`` is how answers are asked for, :class:`signalbox.models.forms.Form`;
    ``auto`` takes the first that the server can do.

    ``prices`` are US dollars for a million tokens read and written, by a model's name. They go before the
    public ones, and with a budget in money each model needs one.
    """

    model_config = SettingsConfigDict(env_prefix="LLM_")

    model: str = ""
    fallback: str = ""
    router_model: str = Field(default="", validation_alias=AliasChoices("router_model", "ROUTER_LLM_MODEL"))
    agent_model: str = Field(default="", validation_alias=AliasChoices("agent_model", "AGENT_LLM_MODEL"))
    base_url: str | None = None
    api_key: SecretStr | None = None
    timeout_s: float = Field(default=60, gt=0)
    deadline_s: float = Field(default=180, gt=0)
    max_tokens: int = Field(default=4000, ge=1)
    route_max_tokens: int = Field(default=300, ge=1)
    concurrency: int | None = Field(default=None, ge=1)
    rpm: float | None = Field(default=None, gt=0)
    tpm: float | None = Field(default=None, gt=0)
    output: Literal["auto", "json_schema", "tool", "prompted"] = "auto"
    prices: dict[str, tuple[_Dollars, _Dollars]] = Field(default_factory=dict)
    day_budget_usd: DollarBudget | None = None
    workflow_budget_usd: DollarBudget | None = None
    retries: int = Field(default=2, ge=0, le=10)
    call_log: Path | None = Field(default=None, validation_alias=AliasChoices("call_log", "MODEL_CALL_LOG"))

    @property
    def money_is_bounded(self) -> bool:
        """True when a budget in money is set, so that what a model costs must be known."""
        return self.day_budget_usd is not None or self.workflow_budget_usd is not None

    def max_tokens_for(self, task: str) -> int:
        """Return the most tokens that an answer to ``task`` may have."""
        return self.route_max_tokens if task == ROUTE else self.max_tokens

    def name_for(self, role: Role, agent: str = "") -> str:
        """Return the model for ``role``, or of ``agent`` if that has its own; by default ``offline``."""
        own = os.environ.get(f"{agent.upper()}_LLM_MODEL", "") if agent else ""
        of_role = self.router_model if role == "router" else self.agent_model
        return own or of_role or self.model or OFFLINE
