"""The composition root: the definition, its two contracts and the handler. This agent has no tools."""

from pathlib import Path

from lead_scoring.handler import score
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox_agent import Agent, bound
from signalbox_contracts import schema_text
from signalbox_contracts.sdr import LeadProfiled, LeadScored

PORT = 8102


def make_agent() -> Agent:
    """Wire the agent."""
    return Agent(
        definition=AgentDefinition.load(Path(__file__).with_name("agent.yaml")),
        takes=(bound(LeadProfiled, schema_text("sdr.LeadProfiled")),),
        gives=(bound(LeadScored, schema_text("sdr.LeadScored")),),
        handle=score,
        port=PORT,
    )
