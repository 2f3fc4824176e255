"""A lead's journey: its status and timeline, derived from the facts of its workflow and nothing else.

Being functions of a *set* of facts, they can't depend on the order in which topics were read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

from console.facts import INTAKE_DEAD_LETTERS, DeadLetter, Decision, Message
from signalbox.protocol.names import AGENT_MESSAGES
from signalbox.protocol.reasons import Stage


class Status(StrEnum):
    """Where a lead is. The order is the precedence: the first that holds is the lead's."""

    IN_FLIGHT = "in_flight"
    DEAD_LETTERED = "dead_lettered"
    SCHEDULED = "scheduled"
    ENDED = "ended"


class Step(StrEnum):
    """What happened to a message, in causal order where the times are equal."""

    CAPTURED = "captured"
    GATED = "gated"
    ROUTED = "routed"
    HANDLED = "handled"
    SCHEDULED = "scheduled"
    ENDED = "ended"
    DEAD_LETTERED = "dead_lettered"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


_CAUSAL: Final = {step: number for number, step in enumerate(Step)}
_REFUSED_BEFORE_GATE: Final = frozenset({Stage.INTAKE.value, Stage.GATE.value, ""})


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the timeline; ``at`` in milliseconds since the epoch, ``hop`` orders equal times."""

    at: int
    stage: Step
    message_id: str
    hop: int
    record_type: str | None = None
    agent: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrackedDeadLetter:
    """A dead letter and what became of it; times in milliseconds since the epoch."""

    fact: DeadLetter
    replayed_at: int | None = None
    replayed_by: str = ""
    replayed_why: str = ""
    replay_seen: bool = False
    discarded_at: int | None = None
    discarded_by: str = ""
    discarded_why: str = ""
    heard_at: int = 0

    @property
    def source(self) -> tuple[str, int, int]:
        """Where the refused record lay; copies of one dead letter share it."""
        return self.fact.source_topic, self.fact.source_partition, self.fact.source_offset

    @property
    def closed(self) -> bool:
        """True when somebody replayed or discarded it."""
        return self.state != "open"

    @property
    def state(self) -> str:
        """One of open, replayed and discarded; a replay counts more."""
        if self.replayed_at is not None:
            return "replayed"
        return "discarded" if self.discarded_at is not None else "open"

    @property
    def on_its_way(self) -> bool:
        """True when the audit tells of a replay that was not read from its topic yet."""
        return self.replayed_at is not None and not self.replay_seen


@dataclass(frozen=True)
class Journey:
    """The facts of one workflow; ``captured`` is None as long as no lead of it passed intake."""

    captured: Message | None
    messages: tuple[Message, ...]
    decisions: tuple[Decision, ...]
    dead_letters: tuple[TrackedDeadLetter, ...]

    @property
    def status(self) -> Status:
        """The one status: the conservation law of docs/interfaces.md."""
        if self.captured is None:
            return self._status_at_intake
        if not all(self._settled(message) for message in self.messages):
            return Status.IN_FLIGHT
        if any(dead_letter.on_its_way for dead_letter in self._after_intake):
            return Status.IN_FLIGHT
        if self._open(self._after_intake):
            return Status.DEAD_LETTERED
        if any(decision.outcome == "terminal" for decision in self.decisions):
            return Status.SCHEDULED
        return Status.ENDED

    @property
    def timeline(self) -> list[Entry]:
        """What happened, in order of time, then of cause; one entry per step and message."""
        first: dict[tuple[Step, str], Entry] = {}
        for entry in self._entries():
            first.setdefault((entry.stage, entry.message_id), entry)
        return sorted(first.values(), key=lambda one: (one.at, one.hop, _CAUSAL[one.stage], one.message_id))

    @property
    def updated_at(self) -> int:
        """When its last step happened, by the account of who took it; in milliseconds since the epoch."""
        return max((entry.at for entry in self._entries()), default=0)

    @property
    def heard_at(self) -> int:
        """When a record of it was last written, whatever times records tell: silence is measured by it."""
        messages = (message.recorded for message in self.messages)
        decisions = (decision.recorded for decision in self.decisions)
        dead_letters = (one.heard_at for one in self.own_dead_letters)
        return max((*messages, *decisions, *dead_letters), default=0)

    @property
    def unsettled(self) -> list[tuple[Message, Decision | None]]:
        """The messages without an outcome, each once, with the decision that was not answered yet."""
        open_ones = {message.id: message for message in reversed(self.messages) if not self._settled(message)}
        pairs = [(message, self._decisions_of(message)) for message in reversed(open_ones.values())]
        return [(message, decisions[-1] if decisions else None) for message, decisions in pairs]

    @property
    def _status_at_intake(self) -> Status:
        if self._open(self.dead_letters):
            return Status.DEAD_LETTERED
        replayed = any(dead_letter.replayed_at is not None for dead_letter in self.dead_letters)
        return Status.IN_FLIGHT if replayed else Status.ENDED

    def _settled(self, message: Message) -> bool:
        if self._dead_letters_of(message):
            return True
        decisions = self._decisions_of(message)
        return bool(decisions) and (not decisions[-1].agent or bool(self._answers_to(message, decisions[-1])))

    @staticmethod
    def _open(dead_letters: "tuple[TrackedDeadLetter, ...] | list[TrackedDeadLetter]") -> bool:
        closed = {dead_letter.source for dead_letter in dead_letters if dead_letter.closed}
        return any(dead_letter.source not in closed for dead_letter in dead_letters)

    @cached_property
    def _after_intake(self) -> tuple[TrackedDeadLetter, ...]:
        return tuple(one for one in self.dead_letters if one.fact.topic != INTAKE_DEAD_LETTERS)

    @cached_property
    def own_dead_letters(self) -> tuple[TrackedDeadLetter, ...]:
        """The dead letters that tell of this lead; anybody may have one refused at intake under its id.

        Of those only the ones are its own of which it is the replay, or the replay's replay.
        """
        if self.captured is None:
            return self.dead_letters
        by_replay = {
            one.fact.replay_id: one for one in self.dead_letters if one.fact.topic == INTAKE_DEAD_LETTERS
        }
        own: list[TrackedDeadLetter] = []
        dead_letter = by_replay.pop(self.captured.id, None)
        while dead_letter is not None:
            own.append(dead_letter)
            dead_letter = by_replay.pop(dead_letter.fact.message_id, None)
        return (*own, *self._after_intake)

    def _dead_letters_of(self, message: Message) -> list[TrackedDeadLetter]:
        at = (AGENT_MESSAGES, message.partition, message.offset)
        return [one for one in self._after_intake if message.id == one.fact.message_id or one.source == at]

    def _decisions_of(self, message: Message) -> list[Decision]:
        return self._decisions_by_message.get(message.id, [])

    def _answers_to(self, message: Message, decision: Decision) -> list[Message]:
        answers = self._messages_by_cause.get(message.id, [])
        return [answer for answer in answers if answer.source == decision.agent]

    def _refusing_agent(self, dead_letter: DeadLetter) -> str | None:
        if dead_letter.stage != Stage.DISPATCH:
            return None
        decisions = self._decisions_by_message.get(dead_letter.message_id, [])
        return decisions[-1].agent if decisions else None

    @cached_property
    def _decisions_by_message(self) -> Mapping[str, list[Decision]]:
        # The first decision with an id wins; a second one with another id follows an agent's refusal.
        by_id: dict[str, Decision] = {}
        for decision in sorted(self.decisions, key=lambda one: (one.partition, one.offset)):
            by_id.setdefault(decision.id, decision)
        grouped: dict[str, list[Decision]] = {}
        for decision in sorted(by_id.values(), key=lambda one: (one.outcome == "rerouted", one.at, one.id)):
            grouped.setdefault(decision.message_id, []).append(decision)
        return grouped

    @cached_property
    def _messages_by_cause(self) -> Mapping[str, list[Message]]:
        grouped: dict[str, list[Message]] = {}
        for message in self.messages:
            if message.causation is not None:
                grouped.setdefault(message.causation, []).append(message)
        return grouped

    def _entries(self) -> Iterator[Entry]:
        if self.captured is not None:
            yield _captured(self.captured)
        for message in self.messages:
            yield from self._entries_of(message)
        for dead_letter in self.own_dead_letters:
            yield from _dead_letter_entries(dead_letter, self._refusing_agent(dead_letter.fact))

    def _entries_of(self, message: Message) -> Iterator[Entry]:
        decisions = self._decisions_of(message)
        if decisions and decisions[0].outcome == "terminal":
            yield _entry(Step.SCHEDULED, message, decisions[0].at, detail={"reason": decisions[0].reason})
            return
        if decisions:
            yield _entry(Step.GATED, message, decisions[0].at)
            yield from self._decided(message, decisions[-1])
            return
        past_the_gate = [
            one for one in self._dead_letters_of(message) if one.fact.stage not in _REFUSED_BEFORE_GATE
        ]
        if past_the_gate:
            yield _entry(Step.GATED, message, past_the_gate[0].fact.at)

    def _decided(self, message: Message, decision: Decision) -> Iterator[Entry]:
        detail = _decision_detail(decision)
        if not decision.agent:
            yield _entry(Step.ENDED, message, decision.at, detail=detail)
            return
        yield _entry(Step.ROUTED, message, decision.at, agent=decision.agent, detail=detail)
        answers = self._answers_to(message, decision)
        if answers:
            gave = {
                answer.id: {"record_type": answer.record_type, "message_id": answer.id} for answer in answers
            }
            handled_at = min(answer.at for answer in answers)
            detail = {"gave": list(gave.values())}
            yield _entry(Step.HANDLED, message, handled_at, agent=decision.agent, detail=detail)


def _entry(
    step: Step, message: Message, at: int, agent: str | None = None, detail: Mapping[str, Any] | None = None
) -> Entry:
    return Entry(at, step, message.id, message.hop or 0, message.record_type, agent, detail or {})


def _captured(message: Message) -> Entry:
    return _entry(Step.CAPTURED, message, message.at, detail={"source": message.source})


def _decision_detail(decision: Decision) -> dict[str, Any]:
    detail = {
        "candidates": list(decision.candidates),
        "reason": decision.reason,
        "model": decision.model,
        "model_calls": decision.model_calls,
    }
    return detail | ({"refused_by": list(decision.excluded)} if decision.excluded else {})


def _dead_letter_entries(dead_letter: TrackedDeadLetter, agent: str | None) -> Iterator[Entry]:
    fact = dead_letter.fact

    def entry(step: Step, at: int, **detail: Any) -> Entry:
        return Entry(at, step, fact.message_id, fact.hop or 0, fact.record_type, agent, detail)

    lies_at = {"topic": fact.topic, "partition": fact.partition, "offset": fact.offset}
    why = {"reason": fact.reason, "detail": fact.detail, "field": fact.field, "stage": fact.stage}
    yield entry(Step.DEAD_LETTERED, fact.at, **why, **lies_at)
    if dead_letter.replayed_at is not None:
        who = dead_letter.replayed_by
        said = {"who": who, "reason": dead_letter.replayed_why} if who else {}
        yield entry(Step.REPLAYED, dead_letter.replayed_at, replay_id=fact.replay_id, **said, **lies_at)
    if dead_letter.discarded_at is not None:
        reason = {"who": dead_letter.discarded_by, "reason": dead_letter.discarded_why}
        yield entry(Step.DISCARDED, dead_letter.discarded_at, **reason, **lies_at)
