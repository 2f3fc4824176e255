"""The agent kit: a definition, two contracts and one handler make an agent service.

::

    AGENT = Agent(
        definition=AgentDefinition.load(Path(__file__).with_name("agent.yaml")),
        takes=(bound(LeadProfiled, schema_text("sdr.LeadProfiled")),),
        gives=(bound(LeadScored, schema_text("sdr.LeadScored")),),
        handle=score,
        port=8102,
    )

    async def score(message: Message[LeadProfiled], work: Work) -> Sequence[BaseModel]: ...

    if __name__ == "__main__":  # in __main__.py
        serve(AGENT)

:mod:`signalbox_agent.testing` runs agents in memory, for their tests (``docs/testing-agents.md``).
"""

from signalbox.protocol.agent_definition import AgentDefinition, InputType, OutputType
from signalbox_agent.app import create_app, serve
from signalbox_agent.kit import Agent, Background, Bound, Handler, Message, Refuse, bound
from signalbox_agent.work import TaskModel, Work

__all__ = [
    "Agent",
    "AgentDefinition",
    "Background",
    "Bound",
    "Handler",
    "InputType",
    "Message",
    "OutputType",
    "Refuse",
    "TaskModel",
    "Work",
    "bound",
    "create_app",
    "serve",
]
