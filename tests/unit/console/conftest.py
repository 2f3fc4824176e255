"""A system on paper: it writes the records that the real parts write, encoded as they encode them."""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import committed_contracts
from console import store
from console.decoding import Schemas
from console.projection import Projection
from console.queries import Queries
from signalbox.avro import encode, parse
from signalbox.protocol.envelope import Envelope, completed, replay_id, route_id
from signalbox.protocol.names import AgentId, LeadId, RecordType, SchemaId, Subject
from signalbox.protocol.records import Record
from signalbox.registry.port import SchemaVersion

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class PaperRegistry:
    """Stands for the registry at its port: every record type of this repository, version 1."""

    def __init__(self) -> None:
        self.texts = {
            SchemaId(number): committed_contracts.schema_text(name)
            for number, name in enumerate(committed_contracts.record_types(), start=1)
        }
        self.ids = {parse(text).name: schema_id for schema_id, text in self.texts.items()}

    async def schema_text(self, schema_id: SchemaId) -> str | None:
        return self.texts.get(schema_id)

    async def usages(self, schema_id: SchemaId) -> frozenset[tuple[Subject, int]]:
        raise NotImplementedError

    async def versions(self, subject: Subject) -> list[SchemaVersion]:
        if subject not in self.ids:
            return []
        return [SchemaVersion(subject, 1, self.ids[subject], self.texts[self.ids[subject]])]

    async def lookup(self, subject: Subject, schema_text: str) -> SchemaId | None:
        raise NotImplementedError

    def framed(self, record_type: str, /, **datum: Any) -> bytes:
        schema_id = self.ids[record_type]
        return encode(schema_id, parse(self.texts[schema_id]), datum)


@dataclass
class Paper:
    """Writes records as intake, orchestrator, dispatchers, agents and operators do; one second apart."""

    registry: PaperRegistry = field(default_factory=PaperRegistry)
    records: list[Record] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._offsets: defaultdict[str, itertools.count[int]] = defaultdict(itertools.count)
        self._seconds: Iterator[int] = itertools.count()

    def stop_the_clock(self) -> None:
        """From here on everything happens in one and the same millisecond."""
        self._seconds = itertools.repeat(next(self._seconds))

    def write(self, topic: str, key: bytes | None, value: bytes | None, headers: Any = ()) -> Record:
        stamp = int(self._now().timestamp() * 1000)
        record = Record(topic, 0, next(self._offsets[topic]), key, value, tuple(headers), stamp)
        self.records.append(record)
        return record

    def incoming(self, lead_id: str, headers: Any = ()) -> Record:
        return self.write("incoming_leads", lead_id.encode(), self.captured_value(lead_id), headers)

    def captured(self, lead_id: str) -> Record:
        """A lead comes in and passes intake."""
        return self.taken_in(self.incoming(lead_id))

    def taken_in(self, incoming: Record) -> Record:
        assert incoming.key is not None
        lead_id = LeadId(incoming.key.decode())
        envelope = completed(incoming, RecordType("sdr.LeadCaptured"), lead_id, source="intake")
        at = replace(envelope, time=self._now())
        return self.write("agent_messages", incoming.key, incoming.value, at.headers())

    def decided(self, message: Record, agent: str | None, outcome: str, **more: Any) -> Record:
        envelope = Envelope.parse(message.headers)
        excluded = more.get("excluded", [])
        value = self.registry.framed(
            "control.RouteDecided",
            message_id=envelope.id,
            correlation_id=envelope.correlation_id,
            lead_id=(message.key or b"").decode(),
            record_type=envelope.type,
            candidates=["lead_ingestion", "lead_scoring", "send_email", "rival"] if agent else [],
            excluded=excluded,
            agent=agent,
            reason=more.get("reason", "because"),
            terminal=outcome == "terminal",
            model="offline" if agent else "",
            model_calls=more.get("model_calls", 1 if agent else 0),
            hop=envelope.hop,
            payload=message.value or b"",
            payload_key=message.key or b"",
            payload_headers=[{"name": name, "value": value} for name, value in message.headers],
            source_topic=message.topic,
            source_partition=message.partition,
            source_offset=message.offset,
        )
        own = replace(
            envelope,
            id=route_id(envelope.id, *[AgentId(one) for one in excluded]),
            source="orchestrator",
            type=RecordType("control.RouteDecided"),
            time=self._now(),
            causation_id=envelope.id,
        )
        extra = (("route_agent", (agent or "").encode()), ("route_outcome", outcome.encode()))
        return self.write("agent_routes", message.key, value, own.headers() + extra)

    def answered(self, message: Record, agent: str, record_type: str, value: bytes = b"opaque") -> Record:
        envelope = Envelope.parse(message.headers).answered_by(
            AgentId(agent), RecordType(record_type), 0, source=agent
        )
        return self.write("agent_messages", message.key, value, replace(envelope, time=self._now()).headers())

    def handled(self, message: Record, agent: str, record_type: str) -> Record:
        """A message is routed to an agent, and the agent answers."""
        self.decided(message, agent, "routed")
        return self.answered(message, agent, record_type)

    def rejected(self, record: Record, reason: str, stage: str, **more: Any) -> Record:
        headers = (
            ("dl_reason", reason.encode()),
            ("dl_detail", more.get("detail", "it was bad").encode()),
            ("dl_field", more.get("field", "").encode()),
            ("dl_topic", record.topic.encode()),
            ("dl_partition", str(record.partition).encode()),
            ("dl_offset", str(record.offset).encode()),
            ("dl_time", self._now().isoformat().encode()),
            ("dl_stage", stage.encode()),
            ("dl_model_calls", str(more.get("model_calls", 0)).encode()),
        )
        return self.write(f"{record.topic}_dlt", record.key, record.value, record.headers + headers)

    def replayed(self, dead_letter: Record) -> Record:
        """Somebody sends a dead letter of an agent's message in again."""
        original = Envelope.parse(dead_letter.headers)
        envelope = replace(
            original,
            id=replay_id(dead_letter.topic, dead_letter.partition, dead_letter.offset),
            causation_id=original.id,
        )
        return self.write("agent_messages", dead_letter.key, dead_letter.value, envelope.headers())

    def discarded(self, dead_letter: Record) -> Record:
        return self._audited("control.MessageDiscarded", dead_letter, reason="not worth it")

    def replay_audited(self, dead_letter: Record) -> Record:
        """The audit event that follows a replay."""
        again = replay_id(dead_letter.topic, dead_letter.partition, dead_letter.offset)
        return self._audited("control.MessageReplayed", dead_letter, reason="mended", replay_id=again)

    def _audited(self, record_type: str, dead_letter: Record, **more: str) -> Record:
        value = self.registry.framed(
            record_type,
            who="ops",
            **more,
            dead_letter_topic=dead_letter.topic,
            dead_letter_partition=dead_letter.partition,
            dead_letter_offset=dead_letter.offset,
        )
        headers = (("ce_type", record_type.encode()), ("ce_time", self._now().isoformat().encode()))
        return self.write("governance_audit", b"ops", value, headers)

    def announced(self, agent: str) -> Record:
        value = self.registry.framed(
            "control.AgentRegistered",
            agent_id=agent,
            name=agent,
            description=f"does the work of {agent}",
            input=[{"record_type": "sdr.LeadScored", "when": "this.score > 1"}],
            output=[{"record_type": "x.Greeted", "terminal": False}],
            endpoint="http://127.0.0.1:9",
            contracts=[],
            registered_at=START,
        )
        return self.write("agent_registry", agent.encode(), value)

    def scheduled(self, lead_id: str) -> None:
        """A lead goes all the way."""
        profiled = self.handled(self.captured(lead_id), "lead_ingestion", "sdr.LeadProfiled")
        drafted = self.handled(profiled, "active_outreach", "sdr.CampaignDrafted")
        last = self.handled(drafted, "send_email", "sdr.CampaignScheduled")
        self.decided(last, None, "terminal", reason="terminal: sdr.CampaignScheduled")

    def captured_value(self, lead_id: str) -> bytes:
        lead = {
            "lead_id": lead_id,
            "name": "Zoë Ångström",
            "email": "zoe@widgets.example",
            "company_name": "Widgets & Co",
            "job_title": "Head of Widgets",
            "lead_source": "website_form",
            "captured_at": START,
        }
        return self.registry.framed("sdr.LeadCaptured", lead=lead)

    def _now(self) -> datetime:
        return START + timedelta(seconds=next(self._seconds))


@dataclass
class Views:
    """A projection with its queries; ``show`` reads records as the console does."""

    projection: Projection
    schemas: Schemas
    queries: Queries
    registry: PaperRegistry

    async def show(self, *records: Record) -> Queries:
        await self.schemas.prepare(records)
        self.projection.apply(*records)
        return self.queries

    def status(self, lead_id: str) -> str:
        lead = self.queries.lead(lead_id)
        assert lead is not None
        return lead.status.value

    def stages(self, lead_id: str) -> list[str]:
        lead = self.queries.lead(lead_id)
        assert lead is not None
        return [entry.stage.value for entry in lead.timeline]


@pytest.fixture
def paper() -> Paper:
    return Paper()


@pytest.fixture
def new_views(tmp_path: Path) -> Callable[[], Views]:
    numbers = itertools.count()

    def make() -> Views:
        path = tmp_path / f"projection-{next(numbers)}.db"
        registry = PaperRegistry()
        schemas = Schemas(registry)
        return Views(Projection(store.create(path), schemas.decode), schemas, Queries(path), registry)

    return make


@pytest.fixture
def views(new_views: Callable[[], Views]) -> Views:
    return new_views()
