"""The ports of an agent to registry and broker in memory, for tests of what stands between them."""

from dataclasses import dataclass, field

from committed_contracts import schema_text
from signalbox.avro import parse
from signalbox.protocol.records import Draft
from signalbox_agent import Agent
from signalbox_agent.testing import MemoryRegistry


class AgentRegistry(MemoryRegistry):
    """What an agent was built with; a test says which id and version it has."""

    @classmethod
    def of(cls, agent: Agent) -> "AgentRegistry":
        """Make one that has what ``agent`` was built with, each as version 1."""
        made = cls()
        bound = [contract.schema_text for contract in (*agent.takes, *agent.gives)]
        for number, text in enumerate([*bound, schema_text("control.AgentRegistered")], start=1):
            made.has(number, text)
        return made

    @property
    def calls(self) -> list[str]:
        return [what for what, _ in self.asked]

    def has(self, schema_id: int, text: str, version: int = 1) -> None:
        if self.text_of(schema_id) is not None:
            self.forget(schema_id)
        self.register(parse(text).name, text, version, schema_id)


@dataclass
class MemoryPublisher:
    """The producer's port in memory; ``failure`` is raised instead of writing."""

    drafts: list[Draft] = field(default_factory=list)
    failure: BaseException | None = None
    closed: bool = False

    async def publish(self, *drafts: Draft) -> None:
        if self.failure is not None:
            raise self.failure
        self.drafts.extend(drafts)

    async def close(self) -> None:
        self.closed = True

    def on(self, topic: str) -> list[Draft]:
        return [draft for draft in self.drafts if draft.topic == topic]
