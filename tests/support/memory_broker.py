"""Broker and registry in memory, at the ports by which dead letters are read, sent in and given up."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import committed_contracts
from gate_fuzz import DATA_BY_TYPE
from memory_registry import register_committed
from signalbox.avro import encode, parse
from signalbox.protocol.dead_letters import DeadLetter, dead_letter_of
from signalbox.protocol.envelope import Envelope, correlation_id_of
from signalbox.protocol.errors import Refusal, Unavailable
from signalbox.protocol.names import AGENT_MESSAGES, Headers, LeadId, MessageId, RecordType
from signalbox.protocol.reasons import Reason, Stage
from signalbox.protocol.records import Draft, Record
from signalbox_agent.testing import MemoryLog, MemoryRegistry

SCORED = RecordType("sdr.LeadScored")
_CATALOG = Path(__file__).resolve().parents[2] / "contracts" / "catalog.yaml"


class MemoryBroker(MemoryLog):
    """Keeps records in the order in which they came, a second apart.

    With ``takes``, it acknowledges so many records and is away then.
    """

    def __init__(self) -> None:
        super().__init__(self._a_second_later)
        self.registry = MemoryRegistry()
        register_committed(self.registry)
        self.takes: int | None = None
        self.now_ms = 1_800_000_000_000

    def framed(self, record_type: str, /, **changes: Any) -> bytes:
        """Frame a record: one that the gate lets pass, but for the ``changes``."""
        text = committed_contracts.schema_text(record_type)
        datum = DATA_BY_TYPE.get(record_type, {}) | changes
        return encode(self.registry.register(record_type, text), parse(text), datum)

    def refused(
        self,
        value: bytes | None = None,
        *,
        record_type: RecordType = SCORED,
        topic: str = AGENT_MESSAGES,
        partition: int = 0,
        reason: Reason = Reason.RULE_VIOLATED,
        began: datetime | None = None,
        headers: Headers | None = None,
    ) -> DeadLetter:
        """Write a message of ``lead-1`` and its dead letter; without a value it is one that may pass now."""
        envelope = Envelope(
            id=MessageId(f"m-{len(self.records)}"),
            source="lead_scoring",
            type=record_type,
            time=datetime.now(UTC),
            correlation_id=correlation_id_of(LeadId("lead-1")),
            workflow_time=began or datetime.now(UTC),
        )
        given = envelope.headers() if headers is None else headers
        sent = self.framed(record_type) if value is None else value
        message = self.append(Draft(topic, b"lead-1", sent, given, partition))
        return DeadLetter.of(self.append(dead_letter_of(message, Stage.GATE, Refusal(reason, "it was bad"))))

    def _a_second_later(self) -> datetime:
        self.now_ms += 1_000
        return datetime.fromtimestamp(self.now_ms / 1_000, UTC)

    async def publish(self, *drafts: Draft) -> None:
        for draft in drafts:
            if self.takes == 0:
                raise Unavailable("broker", "the test switched it off")
            self.takes = None if self.takes is None else self.takes - 1
            self.append(draft)

    def read_to_end(
        self,
        _: object,
        topics: Sequence[str],
        *,
        starting: Callable[[str], float | None] | None = None,
        partitions: Sequence[int] | None = None,
        **__: object,
    ) -> Iterator[Record]:
        for topic in topics:
            yield from self.recent([topic], (starting(topic) if starting else None) or 0, partitions)

    def read_at(self, _: object, topic: str, partition: int, offset: int) -> Record | None:
        return self.at(topic, partition, offset)


def broker_behind_dead_letters(monkeypatch: pytest.MonkeyPatch, keys: Path) -> MemoryBroker:
    """Put a broker and a registry in memory behind the service for dead letters; ``keys`` is a folder."""
    return _broker_behind("signalbox_operations.replay.service", monkeypatch, keys)


def broker_behind_routes(monkeypatch: pytest.MonkeyPatch, keys: Path) -> MemoryBroker:
    """Put a broker and a registry in memory behind the service for routes; ``keys`` is a folder."""
    return _broker_behind("signalbox_operations.routes.service", monkeypatch, keys)


def _broker_behind(module: str, monkeypatch: pytest.MonkeyPatch, keys: Path) -> MemoryBroker:
    broker = MemoryBroker()
    monkeypatch.setenv("AGENT_KEYS_DIR", str(keys))
    monkeypatch.setenv("CATALOG", str(_CATALOG))
    stand_ins = {
        "Registry": lambda _: broker.registry,
        "Producer": lambda *_: broker,
        "read_to_end": broker.read_to_end,
        "read_at": broker.read_at,
    }
    for name, stands in stand_ins.items():
        monkeypatch.setattr(f"{module}.{name}", stands, raising=False)
    return broker
