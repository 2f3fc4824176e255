"""The composition root: the definition, its two contracts, the handler and the tools."""

from pathlib import Path

from lead_ingestion.handler import Ingestion
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox_agent import Agent, bound
from signalbox_agent.tools import CompanyResearch, Directory, ToolSettings, Website
from signalbox_contracts import schema_text
from signalbox_contracts.sdr import LeadCaptured, LeadProfiled

PORT = 8101


def make_agent(settings: ToolSettings | None = None) -> Agent:
    """Wire the agent; ``settings`` come from the environment unless given."""
    tools = settings or ToolSettings()
    research = CompanyResearch(Website(tools), Directory.crm(tools), Directory.enrichment(tools))
    return Agent(
        definition=AgentDefinition.load(Path(__file__).with_name("agent.yaml")),
        takes=(bound(LeadCaptured, schema_text("sdr.LeadCaptured")),),
        gives=(bound(LeadProfiled, schema_text("sdr.LeadProfiled")),),
        handle=Ingestion(research).profile,
        port=PORT,
    )
