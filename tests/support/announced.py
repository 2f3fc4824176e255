"""Announcements of agents without a registry: the record's value is the agent's id."""

from datetime import UTC, datetime

from signalbox.control.models import AgentInput, AgentOutput, AgentRegistered
from signalbox.protocol.records import Record

ENDPOINT = "http://127.0.0.1:8199"


class Codec:
    """Stands for the control codec: what it reads is an announcement of the agent that the value names."""

    def __init__(self, endpoint: str = ENDPOINT) -> None:
        self.endpoint = endpoint

    async def read(self, _: object, record: Record) -> AgentRegistered:
        agent = (record.value or b"").decode()
        return AgentRegistered(
            agent_id=agent,
            name=agent,
            description="Echoes.",
            input=[AgentInput(record_type="demo.Asked", when=None)],
            output=[AgentOutput(record_type="demo.Answered", terminal=False)],
            endpoint=self.endpoint,
            contracts=[],
            registered_at=datetime.now(UTC),
        )
