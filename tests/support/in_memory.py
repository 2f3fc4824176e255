"""The ports to registry and broker in memory, for tests of what stands between them."""

from dataclasses import dataclass, field

from committed_contracts import schema_text
from signalbox.avro import parse
from signalbox.protocol.errors import Unavailable
from signalbox.protocol.names import SchemaId, Subject
from signalbox.protocol.records import Draft
from signalbox.registry.port import SchemaVersion
from signalbox_agent import Agent


@dataclass
class MemoryRegistry:
    """The registry's port in memory: what is outside of these tests, and can be away."""

    schemas: dict[SchemaId, tuple[Subject, int, str]] = field(default_factory=dict)
    away: bool = False
    calls: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, agent: Agent) -> "MemoryRegistry":
        """Make one that has what ``agent`` was built with, each as version 1."""
        made = cls()
        bound = [contract.schema_text for contract in (*agent.takes, *agent.gives)]
        for number, text in enumerate([*bound, schema_text("control.AgentRegistered")], start=1):
            made.has(number, text)
        return made

    def has(self, schema_id: int, text: str, version: int = 1) -> None:
        self.schemas[SchemaId(schema_id)] = (Subject(parse(text).name), version, text)

    async def schema_text(self, schema_id: SchemaId) -> str | None:
        self._called("schema_text")
        return self.schemas[schema_id][2] if schema_id in self.schemas else None

    async def usages(self, schema_id: SchemaId) -> frozenset[tuple[Subject, int]]:
        self._called("usages")
        return frozenset([self.schemas[schema_id][:2]] if schema_id in self.schemas else [])

    async def versions(self, subject: Subject) -> list[SchemaVersion]:
        self._called("versions")
        found = [
            (version, key, text) for key, (name, version, text) in self.schemas.items() if name == subject
        ]
        return [SchemaVersion(subject, version, key, text) for version, key, text in sorted(found)]

    async def lookup(self, subject: Subject, schema_text: str) -> SchemaId | None:
        self._called("lookup")
        found = [
            key for key, (name, _, text) in self.schemas.items() if (name, text) == (subject, schema_text)
        ]
        return found[0] if found else None

    async def close(self) -> None:
        self._called("close")

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.away and name != "close":
            raise Unavailable("registry", "it is away for this test")


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
