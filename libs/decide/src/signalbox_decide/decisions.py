"""What can become of a message: a small closed set of decisions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias

from signalbox.gate import Accepted
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.envelope import Envelope, route_id
from signalbox.protocol.errors import Refusal
from signalbox.protocol.names import AgentId, MessageId, RecordType
from signalbox.protocol.reasons import Stage
from signalbox.protocol.records import Record
from signalbox_decide.day_budget import Used, used_by
from signalbox_decide.router import Choice

SOURCE: Final = "orchestrator"
_LARGEST: Final = 10**15 - 1
"""What a header can say of a count."""


class Outcome(StrEnum):
    """What a decision means: the header ``route_outcome``."""

    ROUTED = "routed"
    REROUTED = "rerouted"
    ENDED = "ended"
    TERMINAL = "terminal"


def without_model(reason: str) -> Choice:
    """Make a choice that needed no model, and names no agent."""
    return Choice(None, reason, model="", calls=0, input_tokens=0, output_tokens=0, latency_ms=0)


@dataclass(frozen=True, slots=True)
class WorkflowUsage:
    """What a workflow has used up over all its branches, and when it began."""

    hop: int
    tokens: int
    visits: Mapping[AgentId, int]
    began: datetime
    cost: int = 0
    """In billionths of a US dollar."""

    @classmethod
    def of(cls, envelope: Envelope) -> "WorkflowUsage":
        """Read what ``envelope`` carries of it."""
        began = envelope.workflow_time or envelope.time
        return cls(envelope.hop, envelope.tokens, envelope.visits, began, envelope.cost)


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision on a message that passed the gate: ``choice`` says why.

    ``excluded`` are agents that refused the message before. ``afresh``: its workflow's counts began
    from zero, as a person replayed it.
    """

    message: Accepted
    choice: Choice
    candidates: tuple[AgentDefinition, ...] = ()
    excluded: tuple[AgentId, ...] = ()
    afresh: bool = False

    @property
    def outcome(self) -> Outcome:
        """What it is called on the wire."""
        raise NotImplementedError

    @property
    def used(self) -> WorkflowUsage:
        """What its workflow has used up with it."""
        came, choice = WorkflowUsage.of(self.message.envelope), self.choice
        tokens, cost = came.tokens + choice.tokens, came.cost + choice.cost
        return WorkflowUsage(came.hop, tokens, _visited(came.visits, choice.agent), came.began, cost)

    def envelope(self, record_type: RecordType, at: datetime) -> Envelope:
        """Return the envelope of its route."""
        came, used, choice = self.message.envelope, self.used, self.choice
        # What the message took is told once, by its first route.
        before = Used() if self.excluded else used_by(self.message.record.headers)
        return Envelope(
            id=route_id(came.id, *self.excluded),
            source=SOURCE,
            type=record_type,
            time=at,
            correlation_id=came.correlation_id,
            hop=used.hop,
            causation_id=came.id,
            traceparent=came.traceparent,
            workflow_time=came.workflow_time,
            tokens=min(used.tokens, _LARGEST),
            visits=used.visits,
            cost=min(used.cost, _LARGEST),
            used_tokens=before.tokens + choice.tokens,
            used_cost=before.cost + choice.cost,
        )


@dataclass(frozen=True, slots=True)
class Routed(Decided):
    """An agent takes it next."""

    @property
    def outcome(self) -> Outcome:
        """Routed, or routed again after a refusal."""
        return Outcome.REROUTED if self.excluded else Outcome.ROUTED


@dataclass(frozen=True, slots=True)
class Ended(Decided):
    """The workflow ends here: no condition holds, or the model chose no agent."""

    @property
    def outcome(self) -> Outcome:
        """Ended."""
        return Outcome.ENDED


@dataclass(frozen=True, slots=True)
class Terminal(Decided):
    """The workflow is complete with this record."""

    @property
    def outcome(self) -> Outcome:
        """Terminal."""
        return Outcome.TERMINAL


@dataclass(frozen=True, slots=True)
class TakenIn:
    """A lead that is new: it is copied for the agents. ``content`` stands for what it says."""

    lead: Accepted
    content: str


@dataclass(frozen=True, slots=True)
class Refused:
    """It goes to its dead letter topic."""

    record: Record
    stage: Stage
    refusal: Refusal
    model_calls: int = 0
    tokens: int = 0
    cost: int = 0
    """In billionths of a US dollar."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """It was decided before, and nothing is written."""

    record: Record


@dataclass(frozen=True, slots=True)
class RoutedMessage:
    """A message as its route carries it: the original record, and who refused it before."""

    original: Record
    message_id: MessageId
    refused_by: tuple[AgentId, ...]
    used: WorkflowUsage | None = None
    """What its workflow had used up when it was routed."""


Decision: TypeAlias = Routed | Ended | Terminal | TakenIn | Refused | Duplicate


def chosen(
    message: Accepted,
    choice: Choice,
    candidates: tuple[AgentDefinition, ...],
    excluded: tuple[AgentId, ...] = (),
) -> Routed | Ended:
    """Return what the model's choice means."""
    kind = Ended if choice.agent is None else Routed
    return kind(message, choice, candidates, excluded)


def _visited(visits: Mapping[AgentId, int], agent: AgentId | None) -> Mapping[AgentId, int]:
    return visits if agent is None else {**visits, agent: visits.get(agent, 0) + 1}
