"""The composition root: the definition, its two contracts, the handler and the tools."""

from pathlib import Path

from active_outreach.handler import Outreach
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox_agent import Agent, bound
from signalbox_agent.texts import SenderSettings
from signalbox_agent.tools import CompanyResearch, ToolSettings
from signalbox_contracts import schema_text
from signalbox_contracts.sdr import CampaignDrafted, LeadScored

PORT = 8103


def make_agent(settings: ToolSettings | None = None, sender: SenderSettings | None = None) -> Agent:
    """Wire the agent; settings come from the environment unless given."""
    tools = settings or ToolSettings()
    research = CompanyResearch.by_all(tools)
    return Agent(
        definition=AgentDefinition.load(Path(__file__).with_name("agent.yaml")),
        takes=(bound(LeadScored, schema_text("sdr.LeadScored")),),
        gives=(bound(CampaignDrafted, schema_text("sdr.CampaignDrafted")),),
        handle=Outreach(research, sender or SenderSettings()).draft,
        port=PORT,
    )
