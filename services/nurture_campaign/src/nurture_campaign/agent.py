"""The composition root: the definition, its two contracts, the handler, the tools and the library."""

from pathlib import Path

from nurture_campaign.handler import Nurture
from nurture_campaign.library import Library
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox_agent import Agent, bound
from signalbox_agent.texts import SenderSettings
from signalbox_agent.tools import CompanyResearch, ToolSettings
from signalbox_contracts import schema_text
from signalbox_contracts.sdr import CampaignDrafted, LeadScored

PORT = 8104


def make_agent(settings: ToolSettings | None = None, sender: SenderSettings | None = None) -> Agent:
    """Wire the agent; settings come from the environment unless given."""
    tools = settings or ToolSettings()
    research = CompanyResearch.by_all(tools)
    nurture = Nurture(research, Library(tools), sender or SenderSettings())
    return Agent(
        definition=AgentDefinition.load(Path(__file__).with_name("agent.yaml")),
        takes=(bound(LeadScored, schema_text("sdr.LeadScored")),),
        gives=(bound(CampaignDrafted, schema_text("sdr.CampaignDrafted")),),
        handle=nurture.draft,
        port=PORT,
    )
