"""What was decided before: the first decision wins, also after a restart or a rebalance."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from enum import Enum
from typing import Final

from signalbox.protocol.headers import CE, DL
from signalbox.protocol.names import AGENT_MESSAGES, AGENT_ROUTES, CorrelationId, MessageId, dead_letter_topic
from signalbox.protocol.reasons import Stage
from signalbox.protocol.records import Record
from signalbox_decide.clock import SYSTEM, Clock
from signalbox_decide.content import comparable
from signalbox_decide.seen_ids import BEFORE, LIMIT, Identity, SeenIds
from signalbox_decide.workflow_usage import WINDOW_S, WorkflowUsages

TAKEN_IN_FROM: Final = "taken_in_from"
"""The header that intake puts on its copies: ``<topic>/<partition>/<offset>`` of the original."""

CONTENT: Final = "taken_in_content"
"""The header beside it: what the lead said, as :func:`signalbox_decide.content.content_digest` makes it."""

UNTOLD: Final = ""
"""The content of a lead that was taken in by a version of intake that did not tell it: any is the same."""
_AFTER_THE_GATE: Final = frozenset({Stage.GUARD.value.encode(), Stage.ROUTER.value.encode()})


ReadRecent = Callable[[Sequence[str], float, Sequence[int] | None], Iterable[Record]]
"""Reads topics to their end: their names, since when in seconds since the epoch, which partitions or all."""


class History:
    """The identities that were taken in the last 24 hours, per partition, each by one record."""

    def __init__(self, limit: int = LIMIT, clock: Clock = SYSTEM) -> None:
        self._limit = limit
        self._clock = clock
        self._taken: dict[int, SeenIds] = {}

    def first(self, partition: int, identity: Identity, record: Record) -> bool:
        """Take ``identity`` for ``record``; False when another record took it before.

        A record may ask again: the decision on it may have failed in between.
        """
        taken = self._taken.setdefault(partition, SeenIds())
        position = _position(record)
        by = taken.setdefault(identity, self._clock.now().timestamp(), position)
        self._forget_beyond_limit()
        return by == position

    def knows(self, partition: int, identity: Identity) -> bool:
        """Say whether ``identity`` was taken."""
        return identity in self._taken.get(partition, ())

    def window_begins(self) -> float:
        """Return since when decisions count, in seconds since the epoch."""
        return self._clock.now().timestamp() - WINDOW_S

    def remember(self, partition: int, taken: SeenIds) -> None:
        """Replace what is known of ``partition`` by what was read back."""
        self._taken[partition] = taken
        self._forget_beyond_limit()

    def _forget_beyond_limit(self) -> None:
        while sum(map(len, self._taken.values())) > self._limit:
            min(self._taken.values(), key=lambda taken: taken.oldest).forget_oldest()


class DecisionHistory(History):
    """The messages that have a decision, read back from the routes and the dead letters.

    A gate reject is left out on purpose: it is not a decision on the message whose id its bytes claim,
    so a good message with that id still has its turn.
    """

    def __init__(self, recent: ReadRecent, workflows: WorkflowUsages, clock: Clock = SYSTEM) -> None:
        super().__init__(clock=clock)
        self._recent = recent
        self._workflows = workflows

    async def read_back(self, partitions: Collection[int]) -> None:
        """Read the decisions of the last 24 hours on ``partitions`` of ``agent_messages``."""
        decided, used = await asyncio.to_thread(self._decided, list(partitions))
        for number, taken in decided.items():
            self.remember(number, taken)
        self._workflows.replace(partitions, used)

    def _decided(self, partitions: list[int]) -> tuple[dict[int, SeenIds], WorkflowUsages]:
        # All at once: to find out that a partition has no more takes a fetch's whole wait.
        topics = (AGENT_ROUTES, dead_letter_topic(AGENT_MESSAGES))
        found = {number: SeenIds() for number in partitions}
        used = WorkflowUsages()
        for record in self._recent(topics, self.window_begins(), partitions):
            if (identity := _decided_identity(record)) is not None:
                found[record.partition].setdefault(identity, record.timestamp_ms / 1000, BEFORE)
            if record.topic == AGENT_ROUTES:
                used.read_back(record)
        return found, used


class Arrival(Enum):
    """What a lead is, by the leads that came before it."""

    FIRST = "first"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"


class IntakeHistory(History):
    """The leads that were taken in, and what they said, read back from ``agent_messages``.

    One set serves all partitions: a foreign producer may partition ``incoming_leads`` in its own way.
    """

    def __init__(self, recent: ReadRecent, clock: Clock = SYSTEM) -> None:
        super().__init__(clock=clock)
        self._recent = recent

    async def read_back(self) -> None:
        """Read the leads taken in within the last 24 hours."""
        self.remember(0, await asyncio.to_thread(self._taken_in))

    def arrival(self, correlation_id: CorrelationId, content: str, record: Record) -> Arrival:
        """Take the lead of ``correlation_id`` in, unless another record of it was taken in before."""
        if self.first(0, _lead(correlation_id), record):
            self.first(0, _said(correlation_id, content), record)
            return Arrival.FIRST
        known = (content, UNTOLD)
        same = any(self.knows(0, _said(correlation_id, said)) for said in known)
        return Arrival.DUPLICATE if same else Arrival.CONFLICT

    def _taken_in(self) -> SeenIds:
        found = SeenIds()
        for record in self._recent((AGENT_MESSAGES,), self.window_begins(), None):
            for identity in captured_identities(record):
                found.setdefault(identity, record.timestamp_ms / 1000, BEFORE)
        return found


def _position(record: Record) -> int:
    return record.partition << 48 | record.offset


def _decided_identity(record: Record) -> Identity | None:
    if record.topic == AGENT_ROUTES:
        return _identity(record, CE.CAUSATIONID)
    if record.header(DL.STAGE) in _AFTER_THE_GATE:
        return _identity(record, CE.ID)
    return None


def captured_identities(record: Record) -> list[Identity]:
    """Return what a record of ``agent_messages`` says was taken in: the lead, and its content."""
    # Intake's own mark, and not what a record says of itself: a foreign one at hop 0 under the lead's
    # correlation id must not make the lead count as taken in.
    correlation = record.header(CE.CORRELATIONID)
    if record.header(TAKEN_IN_FROM) is None or correlation is None:
        return []
    lead = CorrelationId(correlation.decode(errors="replace"))
    content = (record.header(CONTENT) or b"").decode(errors="replace")
    return [_lead(lead), _said(lead, content if comparable(content) else UNTOLD)]


def _identity(record: Record, header: str) -> Identity | None:
    correlation, message = record.header(CE.CORRELATIONID), record.header(header)
    if correlation is None or message is None:
        return None
    # These passed the gate once, so they are UTF-8.
    return Identity(CorrelationId(correlation.decode()), MessageId(message.decode()))


def _lead(correlation_id: CorrelationId) -> Identity:
    return Identity(correlation_id, MessageId(""))


def _said(correlation_id: CorrelationId, content: str) -> Identity:
    return Identity(correlation_id, MessageId(f"content {content}"))
