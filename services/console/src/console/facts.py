"""Facts: what one Kafka record says, as plain values.

``at`` is when something happened by its writer's own account, but not after ``recorded``, when it was written
to its topic.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from signalbox.avro import ParsedSchema
from signalbox.gate.rules import redacted
from signalbox.protocol.names import (
    AGENT_MESSAGES,
    INCOMING_LEADS,
    Headers,
    RecordType,
    dead_letter_topic,
)

CAPTURED: Final = RecordType("sdr.LeadCaptured")
"""The record that starts a workflow; intake copies it to ``agent_messages`` with hop 0."""
DECIDED: Final = RecordType("control.RouteDecided")
GRANTED: Final = RecordType("control.AgentGranted")
REGISTERED: Final = RecordType("control.AgentRegistered")
DISCARDED: Final = RecordType("control.MessageDiscarded")
REPLAYED: Final = RecordType("control.MessageReplayed")

INTAKE_DEAD_LETTERS: Final = dead_letter_topic(INCOMING_LEADS)
MESSAGE_DEAD_LETTERS: Final = dead_letter_topic(AGENT_MESSAGES)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A record's datum in full, and on demand the same without personal data, for lists."""

    datum: Mapping[str, Any]
    schema: ParsedSchema

    @property
    def redacted(self) -> Mapping[str, Any]:
        """The datum with what the schema tags as personal data replaced."""
        return redacted(self.schema, self.datum)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A lead on ``incoming_leads``, before it was gated. Times are milliseconds since the epoch."""

    partition: int
    offset: int
    id: str
    lead_id: str | None
    recorded: int


@dataclass(frozen=True, slots=True)
class Message:
    """A record of ``agent_messages``; ``id`` is its CloudEvents id, or its position if it has none.

    ``at`` is when it was made by its own account, ``recorded`` when it was written to the topic.
    """

    partition: int
    offset: int
    id: str
    workflow: str | None
    causation: str | None
    source: str | None
    record_type: str | None
    hop: int | None
    lead_id: str | None
    at: int
    recorded: int
    content: Decoded | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """A ``control.RouteDecided``; ``outcome`` is routed, ended, terminal or rerouted."""

    partition: int
    offset: int
    id: str
    message_id: str
    workflow: str | None
    agent: str | None
    outcome: str
    at: int
    recorded: int
    record_type: str | None = None
    candidates: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    reason: str = ""
    model: str = ""
    model_calls: int = 0


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record of a dead letter topic; ``source_*`` is where the refused record lay."""

    topic: str
    partition: int
    offset: int
    message_id: str
    workflow: str | None
    lead_id: str | None
    record_type: str | None
    hop: int | None
    reason: str
    detail: str
    field: str
    stage: str
    at: int
    recorded: int
    model_calls: int
    source: str | None
    source_topic: str
    source_partition: int
    source_offset: int
    replay_id: str
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class Resolution:
    """Somebody gave up, or sent in again, the dead letter at ``topic``, ``partition``, ``offset``."""

    how: str
    audit_partition: int
    audit_offset: int
    topic: str
    partition: int
    offset: int
    at: int
    recorded: int
    who: str
    reason: str


@dataclass(frozen=True, slots=True)
class Registration:
    """An agent's announcement on ``agent_registry``; ``definition`` is None for a tombstone."""

    partition: int
    offset: int
    agent_id: str
    definition: Mapping[str, Any] | None
    tombstone: bool
    at: int


Fact: TypeAlias = Incoming | Message | Decision | DeadLetter | Resolution | Registration
