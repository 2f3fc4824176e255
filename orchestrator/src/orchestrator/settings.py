"""The orchestrator's settings, from the environment."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from signalbox.models import DollarBudget
from signalbox.process.settings import Settings
from signalbox_decide.asking import RouterAsk
from signalbox_decide.learned import LEAST_CONFIDENCE


class OrchestratorSettings(Settings):
    """One class for the process; times are in seconds unless the name says otherwise."""

    data_dir: Path = Field(default=Path(".run/data"), description="outlives the process")
    orchestrator_replica: str = Field(default="0", description="stable per replica; names its transactions")
    on_lost_offsets: Literal["stop", "earliest"] = Field(
        default="stop", description="when the broker deleted records that were not read yet"
    )
    contract_refresh_s: float = Field(default=15, gt=0)
    contract_pins: dict[str, int] = Field(default_factory=dict, description='{"sdr.LeadScored": 2}')
    in_flight_limit: int = Field(default=256, gt=0, description="decisions at once, per stage")
    dispatch_limit: int = Field(default=64, gt=0, description="messages in flight, per agent")
    dispatch_connections: int = Field(default=16, gt=0, description="calls at once, per agent")
    dispatch_attempts: int = Field(default=8, gt=0)
    circuit_opens_after: int = Field(default=5, gt=0, description="failures of an agent in a row")
    poison_crashes: int = Field(default=3, gt=0, description="deaths of a process by one message")
    agent_timeout_s: float = Field(default=120, gt=0, description="one call of an agent, as a whole")
    agent_endpoint_allow: str = Field(
        default=r"https?://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(/.*)?",
        description="a regular expression that a whole endpoint must match",
    )
    agent_limit: int = Field(
        default=64, gt=0, description="agents at once; those that the catalog names always find a seat"
    )
    no_candidate_wait_s: float = Field(default=60, ge=0)
    router_ask: RouterAsk = Field(
        default="always", description="when the model is asked: signalbox_decide.asking says"
    )
    router_learned: Path | None = Field(default=None, description="a file of `signalbox routes train`")
    router_learned_min: float = Field(
        default=LEAST_CONFIDENCE, ge=0, le=1, description="its least confidence"
    )
    hop_limit: int = Field(default=12, gt=0)
    visit_limit: int = Field(default=3, gt=0)
    token_budget: int = Field(default=200_000, gt=0)
    workflow_deadline_h: float = Field(default=24, gt=0)
    llm_workflow_budget_usd: DollarBudget | None = Field(
        default=None, description="for a workflow's model requests"
    )
    llm_day_budget_usd: DollarBudget | None = Field(
        default=None, description="for all model requests of a day"
    )
    llm_day_budget_tokens: int | None = Field(default=None, gt=0, le=10**15)
    llm_day_warn_at: float = Field(default=0.8, gt=0, le=1, description="the share that people hear of")
