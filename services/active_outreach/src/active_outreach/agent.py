"""The composition root: the definition, its two contracts, the handler and the tools."""

from pathlib import Path

from active_outreach.handler import Outreach
from active_outreach.settings import SenderSettings
from active_outreach.tools import Desk
from signalbox.agent import Agent, AgentDefinition, bound
from signalbox.tools import ToolSettings
from signalbox_contracts import schema_text
from signalbox_contracts.sdr import CampaignDrafted, LeadScored

PORT = 8103


def make_agent(settings: ToolSettings | None = None, sender: SenderSettings | None = None) -> Agent:
    """Wire the agent; settings come from the environment unless given."""
    outreach = Outreach(Desk(settings or ToolSettings()), sender or SenderSettings())
    return Agent(
        definition=AgentDefinition.load(Path(__file__).with_name("agent.yaml")),
        takes=(bound(LeadScored, schema_text("sdr.LeadScored")),),
        gives=(bound(CampaignDrafted, schema_text("sdr.CampaignDrafted")),),
        handle=outreach.draft,
        port=PORT,
    )
