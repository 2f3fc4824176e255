"""Joins the parts of a stage to a consumer and a producer."""

from collections.abc import Callable, Sequence
from functools import partial

from orchestrator.consume.assignment import Assignment, ReadBack, nothing_to_read_back
from orchestrator.consume.checkpoint import Checkpoint
from orchestrator.consume.deciding import Decide, Deciding
from orchestrator.consume.expiry import Expiry
from orchestrator.consume.ladder import Instead, Ladder, References, nothing_instead
from orchestrator.consume.offset_ledger import Ledger
from orchestrator.consume.room import Room
from orchestrator.consume.stage import Stage
from signalbox.kafka import GroupConsumer, TransactionalProducer
from signalbox.protocol.records import Draft, Record
from signalbox.telemetry import Readiness
from signalbox_decide.clock import SYSTEM, Clock


def stage(
    name: str,
    consumer: GroupConsumer,
    producer: TransactionalProducer,
    decide: Decide,
    readiness: Readiness,
    *,
    limit: int,
    read_back: ReadBack = nothing_to_read_back,
    one_at_a_time_per_key: bool = False,
    set_aside: Callable[[], int] = lambda: 0,
    fault_pause_s: float = 5.0,
    instead: Instead = nothing_instead,
    references: References | None = None,
    clock: Clock = SYSTEM,
) -> Stage:
    """Make a stage that lets ``decide`` make the outcome of each record.

    ``limit`` and ``set_aside`` bound what is in flight, as :class:`Room` says. With
    ``one_at_a_time_per_key`` a key's records are decided one after the other. ``instead`` makes a dead letter
    of a record whose decision the broker will never take.
    """
    ledger = Ledger()
    references = references or References(readiness, lambda _: None)

    def ladder_of(record: Record, drafts: Sequence[Draft]) -> Ladder:
        return Ladder(name, record, drafts, instead, references)

    return Stage(
        name,
        Assignment(name, consumer, readiness, read_back, partial(producer.end_what_was_left, consumer)),
        Deciding(
            name, decide, readiness, one_at_a_time_per_key=one_at_a_time_per_key, fault_pause_s=fault_pause_s
        ),
        Room(ledger, limit, set_aside),
        Checkpoint(name, ledger, consumer, producer, ladder_of, readiness),
        Expiry(name, ledger, readiness, references.retention, clock),
    )
