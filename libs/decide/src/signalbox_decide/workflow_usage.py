"""What each workflow has used up, as the decisions on it say: headers may be dropped on the way."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from prometheus_client import Gauge

from signalbox.gate import Accepted
from signalbox.protocol.dead_letters import Position
from signalbox.protocol.envelope import Envelope, replay_id
from signalbox.protocol.errors import ConfigurationError, Refusal
from signalbox.protocol.headers import CE, ROUTE_AFRESH, ROUTE_AGENT
from signalbox.protocol.names import AGENT_MESSAGES, CorrelationId, dead_letter_topic
from signalbox.protocol.records import Record
from signalbox.protocol.replay_marks import REPLAY_OF
from signalbox_decide.clock import SYSTEM, Clock
from signalbox_decide.day_budget import used_by
from signalbox_decide.decisions import Ended, Routed, Terminal, WorkflowUsage

WINDOW_S: Final = 24 * 3600.0
"""How far back decisions are read, and how long a workflow without a decision is remembered, in seconds."""
LIMIT: Final = 50_000
"""Workflows remembered at once, some 700 bytes each; the one that was silent longest is forgotten first."""

_REMEMBERED = Gauge("signalbox_workflows_remembered", "Workflows whose use of the guards' limits is known")
_DEAD_LETTERS: Final = dead_letter_topic(AGENT_MESSAGES)

_Workflow = tuple[int, CorrelationId]
"""The partition of its messages, and its correlation id."""

ReadDeadLetter = Callable[[str, int, int], Record | None]
"""Reads the record at a topic, partition and offset; None when there is none (any more)."""


@dataclass(frozen=True, slots=True)
class _Entry:
    used: WorkflowUsage
    at: float


def at_least(envelope: Envelope, used: WorkflowUsage) -> Envelope:
    """Return ``envelope`` with the higher counts of the two, and the earlier beginning."""
    both = _higher(WorkflowUsage.of(envelope), used)
    return replace(
        envelope,
        hop=both.hop,
        tokens=both.tokens,
        visits=both.visits,
        workflow_time=both.began,
        cost=both.cost,
    )


def used_with(route: Record) -> WorkflowUsage:
    """Read what a workflow had used up with the decision that ``route`` is the record of.

    Raises:
        Refusal: ``HEADER_INVALID``; it is no route of ours.
    """
    return WorkflowUsage.of(Envelope.parse(route.headers))


def _higher(one: WorkflowUsage, other: WorkflowUsage) -> WorkflowUsage:
    visits = {
        agent: max(one.visits.get(agent, 0), other.visits.get(agent, 0))
        for agent in (*one.visits, *other.visits)
    }
    return WorkflowUsage(
        max(one.hop, other.hop),
        max(one.tokens, other.tokens),
        visits,
        min(one.began, other.began),
        max(one.cost, other.cost),
    )


class WorkflowUsages:
    """Counts per workflow and partition what decisions used up; the higher of this and the headers counts.

    An agent or a foreign producer that drops or lowers the carried headers can't start a workflow's guards
    afresh. A person can: a replay that names its dead letter counts from what it carries itself.
    """

    def __init__(self, limit: int = LIMIT, clock: Clock = SYSTEM) -> None:
        self._limit = limit
        self._clock = clock
        self._entries: OrderedDict[_Workflow, _Entry] = OrderedDict()

    def counted(self, message: Accepted) -> Accepted:
        """Return ``message`` with what its workflow is known to have used up."""
        entry = self._entries.get((message.record.partition, message.envelope.correlation_id))
        if entry is None:
            return message
        # What the message took comes on top of what is known: its agent got no count of what decisions took.
        envelope, used = message.envelope, used_by(message.record.headers)
        known = replace(entry.used, tokens=entry.used.tokens + used.tokens, cost=entry.used.cost + used.cost)
        return replace(message, envelope=at_least(envelope, known))

    def decided(self, decision: Routed | Ended | Terminal) -> None:
        """Count a decision that was just made."""
        record, envelope = decision.message.record, decision.message.envelope
        taken = decision.choice.agent is not None
        at = self._clock.now().timestamp()
        self._count((record.partition, envelope.correlation_id), decision.used, taken, decision.afresh, at)

    def read_back(self, route: Record) -> None:
        """Count an earlier decision, by the headers of its route: they say what was used up with it."""
        try:
            said = Envelope.parse(route.headers)
        except Refusal:  # nothing that an orchestrator wrote
            return
        at = route.timestamp_ms / 1000 if route.timestamp_ms > 0 else self._clock.now().timestamp()
        taken = route.header(ROUTE_AGENT) is not None
        afresh = route.header(ROUTE_AFRESH) is not None
        self._count((route.partition, said.correlation_id), WorkflowUsage.of(said), taken, afresh, at)

    def _count(self, key: _Workflow, used: WorkflowUsage, taken: bool, afresh: bool, at: float) -> None:
        known = self._entries.pop(key, None)
        if known is not None and not afresh:
            used = _higher(used, known.used)
        # The answer of the agent that takes the message is one hop on, whatever it says of itself.
        used = replace(used, hop=used.hop + taken)
        # What was read back is older than now, and decisions come in order: the front is the oldest.
        self._entries[key] = _Entry(used, at)
        self._forget_old()

    def replace(self, partitions: Iterable[int], used: "WorkflowUsages") -> None:
        """Replace what is known of ``partitions`` by what was read back of them."""
        mine = set(partitions)
        for key in [key for key in self._entries if key[0] in mine]:
            del self._entries[key]
        self._entries = OrderedDict({**used._entries, **self._entries})

    def _forget_old(self) -> None:
        oldest = self._clock.now().timestamp() - WINDOW_S
        while len(self._entries) > self._limit or next(iter(self._entries.values())).at < oldest:
            self._entries.popitem(last=False)
            if not self._entries:
                break
        _REMEMBERED.set(len(self._entries))


def names_its_dead_letter(message: Accepted, read: ReadDeadLetter) -> bool:
    """Say whether ``message`` is the replay of a dead letter of its own workflow, as its header claims.

    The id of a replay follows from the dead letter's position, and an id is decided once, so each dead
    letter can start its workflow's counts afresh once.

    Raises:
        Unavailable: the broker can't be reached.
    """
    claimed = message.record.header(REPLAY_OF)
    if claimed is None:
        return False
    try:
        at = Position.parse(claimed.decode(errors="replace"))
    except ConfigurationError:
        return False
    # A dead letter lies in its message's own partition, and so does what came from it.
    if (at.topic, at.partition) != (_DEAD_LETTERS, message.record.partition):
        return False
    if message.envelope.id != replay_id(*at):
        return False
    dead_letter = read(*at)
    return (
        dead_letter is not None
        and dead_letter.header(CE.CORRELATIONID) == message.envelope.correlation_id.encode()
    )
