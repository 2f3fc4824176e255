"""What was decided before: the first decision wins, also after a restart or a rebalance."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from signalbox.kafka import KafkaSettings, Partition, read_to_end
from signalbox.names import AGENT_MESSAGES, AGENT_ROUTES, CorrelationId, MessageId, dead_letter_topic
from signalbox.reasons import Stage
from signalbox.records import Record

WINDOW_S: Final = 24 * 3600.0
"""How far back decisions are read and remembered, in seconds."""

TAKEN_IN_FROM: Final = "taken_in_from"
"""The header that intake puts on its copies: ``<topic>/<partition>/<offset>`` of the original."""

_AFTER_THE_GATE: Final = frozenset({Stage.GUARD.value.encode(), Stage.ROUTER.value.encode()})


class Identity(NamedTuple):
    """A message within its workflow; two workflows never shadow each other's ids."""

    correlation_id: CorrelationId
    message_id: MessageId


class _Taken(NamedTuple):
    at: float
    by: tuple[str, int, int] | None
    """The record's position; None when a decision was read back, which is of an earlier reading."""


class History:
    """The identities that were taken in the last 24 hours, per partition, each by one record."""

    def __init__(self) -> None:
        self._taken: dict[int, dict[Identity, _Taken]] = {}

    def first(self, partition: int, identity: Identity, record: Record) -> bool:
        """Take ``identity`` for ``record``; False when another record took it before.

        A record may ask again: the decision on it may have failed in between.
        """
        taken = self._taken.setdefault(partition, {})
        now, position = time.time(), (record.topic, record.partition, record.offset)
        while taken and next(iter(taken.values())).at < now - WINDOW_S:
            del taken[next(iter(taken))]
        return taken.setdefault(identity, _Taken(now, position)).by == position

    def remember(self, partition: int, identities: Iterable[tuple[Identity, float]]) -> None:
        """Replace what is known of ``partition`` by what was read back: identities and their times."""
        ordered = sorted(identities, key=lambda pair: pair[1])
        self._taken[partition] = {identity: _Taken(at, None) for identity, at in ordered}


class DecisionHistory(History):
    """The messages that have a decision, read back from the routes and the dead letters.

    A gate reject is left out on purpose: it is not a decision on the message whose id its bytes claim,
    so a good message with that id still has its turn.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        super().__init__()
        self._settings = settings

    async def read_back(self, partitions: frozenset[Partition]) -> None:
        """Read the decisions of the last 24 hours on ``partitions`` of ``agent_messages``."""
        numbers = [at.number for at in partitions]
        for number, decided in (await asyncio.to_thread(self._decided, numbers)).items():
            self.remember(number, decided)

    def _decided(self, partitions: list[int]) -> dict[int, list[tuple[Identity, float]]]:
        # All at once: to find out that a partition has no more takes a fetch's whole wait.
        topics = (AGENT_ROUTES, dead_letter_topic(AGENT_MESSAGES))
        found: dict[int, list[tuple[Identity, float]]] = {number: [] for number in partitions}
        for record in _recent(self._settings, topics, partitions):
            if (identity := _decided_identity(record)) is not None:
                found[record.partition].append((identity, record.timestamp_ms / 1000))
        return found


class IntakeHistory(History):
    """The leads that were taken in, read back from ``agent_messages``.

    One set serves all partitions: a foreign producer may partition ``incoming_leads`` in its own way.
    """

    def __init__(self, settings: KafkaSettings) -> None:
        super().__init__()
        self._settings = settings

    async def read_back(self, _: frozenset[Partition]) -> None:
        """Read the leads taken in within the last 24 hours."""
        self.remember(0, await asyncio.to_thread(self._taken_in))

    def first_lead(self, correlation_id: CorrelationId, record: Record) -> bool:
        """Take the lead of ``correlation_id`` in; False when another record of it was taken in before."""
        return self.first(0, _lead(correlation_id), record)

    def _taken_in(self) -> list[tuple[Identity, float]]:
        return _identities(_recent(self._settings, (AGENT_MESSAGES,), None), _captured_identity)


def _recent(
    settings: KafkaSettings, topics: tuple[str, ...], partitions: list[int] | None
) -> Iterable[Record]:
    since = time.time() - WINDOW_S
    return read_to_end(settings, topics, starting=lambda _: since, partitions=partitions)


def _identities(
    records: Iterable[Record], identity: Callable[[Record], Identity | None]
) -> list[tuple[Identity, float]]:
    return [
        (found, record.timestamp_ms / 1000) for record in records if (found := identity(record)) is not None
    ]


def _decided_identity(record: Record) -> Identity | None:
    if record.topic == AGENT_ROUTES:
        return _identity(record, "ce_causationid")
    if record.header("dl_stage") in _AFTER_THE_GATE:
        return _identity(record, "ce_id")
    return None


def _captured_identity(record: Record) -> Identity | None:
    # Intake's own mark, and not what a record says of itself: a foreign one at hop 0 under the lead's
    # correlation id must not make the lead count as taken in.
    if record.header(TAKEN_IN_FROM) is None:
        return None
    correlation = record.header("ce_correlationid")
    return None if correlation is None else _lead(CorrelationId(correlation.decode(errors="replace")))


def _identity(record: Record, header: str) -> Identity | None:
    correlation, message = record.header("ce_correlationid"), record.header(header)
    if correlation is None or message is None:
        return None
    # These passed the gate once, so they are UTF-8.
    return Identity(CorrelationId(correlation.decode()), MessageId(message.decode()))


def _lead(correlation_id: CorrelationId) -> Identity:
    return Identity(correlation_id, MessageId(""))
