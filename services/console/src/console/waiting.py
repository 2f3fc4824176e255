"""What a workflow that is under way waits for, since when, and why: for those that stand still above all."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

from console.answers import Waiting, time_of
from console.facts import Decision, Message
from console.journey import Journey, Status
from signalbox.protocol.names import AGENT_MESSAGES, AGENT_ROUTES

DEFAULT_STALLED_AFTER_S: Final = 900.0


@dataclass(frozen=True, slots=True)
class Absence:
    """An agent can't be reached; ``since`` as ISO 8601."""

    since: str
    why: str


class Agents(Protocol):
    """Who knows which agents are away: :class:`console.presence.Presence`."""

    def absence(self, agent: str) -> Absence | None:
        """Return since when ``agent`` is away, None when it is there or no one can tell."""


class NobodyAway:
    """Stands where no one is asked."""

    def absence(self, agent: str) -> Absence | None:
        """Know of no one."""
        return None


@dataclass(frozen=True, slots=True)
class StallDetector:
    """How long a workflow may be silent before it counts as stalled, and who knows what it waits for."""

    agents: Agents = field(default_factory=NobodyAway)
    stalled_after_s: float = DEFAULT_STALLED_AFTER_S

    @property
    def stalled_before(self) -> int:
        """A workflow that was last heard of before this is stalled; in milliseconds since the epoch."""
        return int((time.time() - self.stalled_after_s) * 1000)

    def waits_of(self, journey: Journey) -> list[Waiting]:
        """Return what ``journey`` waits for; nothing when it is not under way."""
        return list(self._waits(journey)) if journey.status is Status.IN_FLIGHT else []

    def _waits(self, journey: Journey) -> Iterator[Waiting]:
        for message, decision in journey.unsettled:
            if decision is None:
                yield _for_a_decision(message)
            else:
                yield self._for_an_agent(message, decision)
        for dead_letter in journey.own_dead_letters:
            if dead_letter.on_its_way and dead_letter.replayed_at is not None:
                at = f"{dead_letter.fact.topic}/{dead_letter.fact.partition}/{dead_letter.fact.offset}"
                yield Waiting(
                    stage="replay",
                    reason=f"waiting for the replay of {at}; give the command again if it does not come",
                    since=time_of(dead_letter.replayed_at),
                    message_id=dead_letter.fact.replay_id,
                    record_type=dead_letter.fact.record_type,
                )

    def _for_an_agent(self, message: Message, decision: Decision) -> Waiting:
        agent = decision.agent or ""
        away = self.agents.absence(agent)
        reason = f"waiting for {agent}"
        return Waiting(
            stage="dispatch",
            reason=f"{reason}, which is away since {away.since}: {away.why}" if away else reason,
            since=time_of(decision.at),
            message_id=message.id,
            record_type=message.record_type,
            agent=agent,
            position=f"{AGENT_ROUTES}/{decision.partition}/{decision.offset}",
        )


def _for_a_decision(message: Message) -> Waiting:
    return Waiting(
        stage="routing",
        reason=f"waiting for a decision on {message.record_type or 'a message'}",
        since=time_of(message.recorded),
        message_id=message.id,
        record_type=message.record_type,
        position=f"{AGENT_MESSAGES}/{message.partition}/{message.offset}",
    )
