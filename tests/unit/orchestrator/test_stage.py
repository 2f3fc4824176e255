"""The engine against clients in memory: fakes at the Kafka port, so that each moment can be arranged."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest
from prometheus_client import REGISTRY

from orchestrator.consume import wiring
from orchestrator.consume.stage import Stage
from signalbox.kafka import Partition, TransactionLost
from signalbox.kafka.consumer import Batch
from signalbox.kafka.positions import OffsetsUnknown
from signalbox.protocol.errors import Fatal, Unavailable
from signalbox.protocol.records import Draft, Record
from signalbox.telemetry import Readiness

HERE = Partition("agent_messages", 0)
THERE = Partition("agent_messages", 1)


def record(offset: int, key: bytes = b"lead") -> Record:
    return Record("agent_messages", 0, offset, key, b"value")


class FakeConsumer:
    """Gives the scripted batches, one a poll, and remembers what was asked of it."""

    def __init__(self, *batches: Batch) -> None:
        self.batches = list(batches)
        self.committed: dict[Partition, int] = {}
        self.paused: set[Partition] = set()
        self.closed = False
        self.after_rejoining: list[Batch] = []

    async def start(self) -> None:
        return

    async def poll(self, limit: int, timeout_s: float) -> Batch:
        await asyncio.sleep(0)
        batch = self.batches.pop(0) if self.batches else Batch()
        if batch.assigned:  # they come paused, so their records come later
            self.paused |= batch.assigned
            self.batches.insert(0, Batch(batch.records))
            return Batch(assigned=batch.assigned, revoked=batch.revoked)
        if batch.records and self.paused:
            self.batches.insert(0, batch)
            return Batch()
        return batch

    async def pause(self, partitions: Iterable[Partition]) -> None:
        self.paused |= set(partitions)

    async def resume(self, partitions: Iterable[Partition]) -> None:
        self.paused -= set(partitions)

    async def commit(self, offsets: Mapping[Partition, int]) -> None:
        self.committed.update(offsets)

    async def group_metadata(self) -> Any:
        return None

    async def rejoin(self) -> None:
        self.batches = [Batch(revoked=frozenset({HERE})), *self.after_rejoining]

    async def close(self) -> None:
        self.closed = True


class FakeProducer:
    """Remembers each transaction; ``refusals`` of the first commits find the broker away."""

    def __init__(self, refusals: int = 0) -> None:
        self.transactions: list[tuple[list[Draft], dict[Partition, int]]] = []
        self.refusals = refusals
        self.ended = 0

    async def start(self) -> None:
        return

    async def commit(self, drafts: Iterable[Draft], offsets: Mapping[Partition, int], _: Any) -> None:
        if self.refusals:
            self.refusals -= 1
            raise Unavailable("broker", "away")
        self.transactions.append((list(drafts), dict(offsets)))

    async def close(self) -> None:
        return

    async def end_what_was_left(self, _: Any) -> None:
        self.ended += 1

    @property
    def values(self) -> list[bytes | None]:
        return [draft.value for drafts, _ in self.transactions for draft in drafts]


async def routed(record: Record) -> Sequence[Draft]:
    return [Draft("agent_routes", record.key, str(record.offset).encode())]


async def run_until(stage: Stage, condition: Any) -> None:
    stopping = asyncio.Event()
    running = asyncio.create_task(stage.run(stopping))
    async with asyncio.timeout(10):
        while not condition():
            assert not running.done(), running.exception()
            await asyncio.sleep(0.005)
        stopping.set()
        await running


def stage_of(
    consumer: FakeConsumer,
    producer: FakeProducer,
    decide: Any,
    readiness: Readiness | None = None,
    **options: Any,
) -> Stage:
    options = {"limit": 10, "fault_pause_s": 0.01, **options}
    return wiring.stage("test", consumer, producer, decide, readiness or Readiness(), **options)  # type: ignore[arg-type]


async def test_a_stage_of_a_process_that_starts_is_waited_for_until_it_has_partitions() -> None:
    readiness, consumer = Readiness("test"), FakeConsumer()
    stage = stage_of(consumer, FakeProducer(), routed, readiness)
    stopping = asyncio.Event()
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(stage.run(stopping))
        await asyncio.sleep(0.02)
        assert readiness.waiting_for == ["test: joining its consumer group"]
        consumer.batches = [Batch(assigned=frozenset({HERE}))]
        while not readiness.ready:
            await asyncio.sleep(0.005)
        stopping.set()


async def test_a_stage_that_comes_while_the_process_works_takes_no_readiness_from_the_others() -> None:
    readiness, consumer = Readiness("others"), FakeConsumer()
    readiness.done("others")
    stage = stage_of(consumer, FakeProducer(), routed, readiness)
    stopping = asyncio.Event()
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(stage.run(stopping))
        await asyncio.sleep(0.02)
        assert readiness.ready
        assert readiness.impaired == ["test: joining its consumer group"]
        consumer.batches = [Batch(assigned=frozenset({HERE}))]
        while readiness.impaired:
            await asyncio.sleep(0.005)
        assert readiness.ready
        stopping.set()


async def test_outcomes_are_committed_in_the_order_of_their_records_whatever_finishes_first() -> None:
    async def slow_first(record: Record) -> Sequence[Draft]:
        await asyncio.sleep(0.05 if record.offset == 0 else 0)
        return await routed(record)

    consumer = FakeConsumer(Batch([record(0), record(1), record(2)], frozenset({HERE})))
    producer = FakeProducer()
    await run_until(stage_of(consumer, producer, slow_first), lambda: len(producer.values) == 3)

    assert producer.values == [b"0", b"1", b"2"]
    assert producer.transactions[-1][1] == {HERE: 3}


async def test_a_commit_that_finds_the_broker_away_is_tried_again_with_the_same_outcomes() -> None:
    consumer = FakeConsumer(Batch([record(0)], frozenset({HERE})))
    producer = FakeProducer(refusals=2)
    await run_until(stage_of(consumer, producer, routed), lambda: producer.values == [b"0"])


async def test_records_without_drafts_move_the_offset_without_a_transaction() -> None:
    async def skipped(_: Record) -> Sequence[Draft]:
        return []

    consumer = FakeConsumer(Batch([record(0), record(1)], frozenset({HERE})))
    producer = FakeProducer()
    await run_until(stage_of(consumer, producer, skipped), lambda: consumer.committed == {HERE: 2})
    assert producer.transactions == []


async def test_records_without_drafts_make_room_for_the_next_ones_without_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A dispatcher passes every route of the other agents: it must not pass `limit` of them each quiet second.
    monkeypatch.setattr("orchestrator.consume.checkpoint._QUIET_COMMIT_S", 3600.0)

    async def skipped(_: Record) -> Sequence[Draft]:
        return []

    batches = [Batch([record(10 * number + one) for one in range(10)]) for number in range(20)]
    consumer = FakeConsumer(Batch(assigned=frozenset({HERE})), *batches)
    stage = stage_of(consumer, FakeProducer(), skipped, limit=10)
    await run_until(stage, lambda: consumer.committed == {HERE: 200})


async def test_a_stage_asks_for_what_it_has_room_for_and_waits_less_while_it_decides() -> None:
    asked: set[tuple[int, float]] = set()
    decided = asyncio.Event()

    class Watched(FakeConsumer):
        async def poll(self, limit: int, timeout_s: float) -> Batch:
            asked.add((limit, timeout_s))
            return await super().poll(limit, timeout_s)

    async def held(record: Record) -> Sequence[Draft]:
        await decided.wait()
        return await routed(record)

    def idle_then_busy() -> bool:
        if asked == {(10, 0.2), (7, 0.005)}:
            decided.set()
        return decided.is_set()

    consumer = Watched(Batch([record(0), record(1), record(2)], frozenset({HERE})))
    await run_until(stage_of(consumer, FakeProducer(), held, limit=10), idle_then_busy)


async def test_a_decision_that_fails_unexpectedly_is_tried_again_and_stops_nobody_else() -> None:
    failures = iter([True, True])
    readiness_seen: list[bool] = []

    async def faulty(record: Record) -> Sequence[Draft]:
        if record.offset == 0 and next(failures, False):
            raise ZeroDivisionError
        readiness_seen.append(record.offset == 1)
        return await routed(record)

    consumer = FakeConsumer(Batch([record(0), record(1)], frozenset({HERE})))
    producer = FakeProducer()
    stage = stage_of(consumer, producer, faulty)
    await run_until(stage, lambda: len(producer.values) == 2)
    assert readiness_seen[0], "the other record was decided while the first one failed"
    assert producer.values == [b"0", b"1"]


async def test_a_revoked_partition_takes_its_undecided_records_with_it() -> None:
    async def never(_: Record) -> Sequence[Draft]:
        await asyncio.Event().wait()
        return []

    consumer = FakeConsumer(
        Batch([record(0)], frozenset({HERE})),
        Batch(revoked=frozenset({HERE})),
        Batch(assigned=frozenset({HERE})),
    )
    producer = FakeProducer()
    stage = stage_of(consumer, producer, never)
    await run_until(stage, lambda: not consumer.batches)
    assert producer.transactions == []
    assert consumer.committed == {}


async def test_assigned_partitions_are_resumed_only_after_the_read_back() -> None:
    order: list[str] = []

    async def read_back(_: frozenset[Partition]) -> None:
        order.append("read back")

    class Watched(FakeConsumer):
        async def resume(self, partitions: Iterable[Partition]) -> None:
            order.append("resumed")

    consumer = Watched(Batch(assigned=frozenset({HERE})))
    stage = stage_of(consumer, FakeProducer(), routed, read_back=read_back)
    await run_until(stage, lambda: len(order) == 2)
    assert order == ["read back", "resumed"]


async def test_polling_goes_on_while_what_was_decided_is_read_back() -> None:
    polls = 0
    read = asyncio.Event()

    class Counting(FakeConsumer):
        async def poll(self, limit: int, timeout_s: float) -> Batch:
            nonlocal polls
            polls += 1
            if polls > 20:
                read.set()
            return await super().poll(limit, timeout_s)

    async def long_reading(_: frozenset[Partition]) -> None:
        await read.wait()

    consumer = Counting(Batch([record(0)], frozenset({HERE})))
    producer = FakeProducer()
    stage = stage_of(consumer, producer, routed, read_back=long_reading)
    await run_until(stage, lambda: producer.values == [b"0"])


async def test_a_partition_that_went_and_came_while_it_was_read_back_is_read_back_again() -> None:
    readings: list[asyncio.Event] = []

    async def read_back(_: frozenset[Partition]) -> None:
        readings.append(asyncio.Event())
        await readings[-1].wait()

    consumer = FakeConsumer(
        Batch(assigned=frozenset({HERE})), Batch(revoked=frozenset({HERE})), Batch(assigned=frozenset({HERE}))
    )
    stage = stage_of(consumer, FakeProducer(), routed, read_back=read_back)

    def second_reading() -> bool:
        if readings and not consumer.batches:
            readings[0].set()
        return len(readings) == 2

    await run_until(stage, second_reading)
    assert consumer.paused == {HERE}


async def test_records_that_are_large_together_pause_their_partitions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orchestrator.consume.room.BYTES_IN_FLIGHT", 2 * len(b"lead" + b"value"))
    gate = asyncio.Event()

    async def held(record: Record) -> Sequence[Draft]:
        await gate.wait()
        return await routed(record)

    consumer = FakeConsumer(Batch([record(0), record(1)], frozenset({HERE})))
    producer = FakeProducer()
    stage = stage_of(consumer, producer, held, limit=100)

    def paused_then_done() -> bool:
        if stage.assignment.paused:
            gate.set()
        return producer.values == [b"0", b"1"] and not consumer.paused

    await run_until(stage, paused_then_done)


async def test_a_full_stage_pauses_its_partitions_and_resumes_when_there_is_room() -> None:
    gate = asyncio.Event()

    async def held(record: Record) -> Sequence[Draft]:
        await gate.wait()
        return await routed(record)

    consumer = FakeConsumer(Batch([record(0), record(1)], frozenset({HERE})))
    producer = FakeProducer()
    stage = stage_of(consumer, producer, held, limit=2)
    stopping = asyncio.Event()
    running = asyncio.create_task(stage.run(stopping))
    async with asyncio.timeout(10):
        while consumer.batches or consumer.paused != {HERE}:
            await asyncio.sleep(0.005)
        gate.set()
        while consumer.paused:
            await asyncio.sleep(0.005)
        stopping.set()
        await running
    assert producer.values == [b"0", b"1"]


async def test_large_records_of_a_partition_that_went_leave_their_room_to_those_that_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orchestrator.consume.room.BYTES_IN_FLIGHT", 2 * len(b"lead" + b"value"))
    stuck = True

    async def stuck_at_first(record: Record) -> Sequence[Draft]:
        if stuck:
            await asyncio.Event().wait()
        return await routed(record)

    records = [record(0), record(1)]
    consumer = FakeConsumer(Batch(records, frozenset({HERE})))
    producer = FakeProducer()
    stage = stage_of(consumer, producer, stuck_at_first, limit=100)

    def went_when_full_and_came_again() -> bool:
        nonlocal stuck
        if stuck and stage.assignment.paused:
            stuck = False
            consumer.batches = [Batch(revoked=frozenset({HERE})), Batch(records, frozenset({HERE}))]
        return producer.values == [b"0", b"1"]

    await run_until(stage, went_when_full_and_came_again)


async def test_partitions_that_come_to_a_full_stage_stay_paused_until_there_is_room() -> None:
    gate = asyncio.Event()

    async def held(record: Record) -> Sequence[Draft]:
        await gate.wait()
        return await routed(record)

    consumer = FakeConsumer(Batch([record(0)], frozenset({HERE})))
    stage = stage_of(consumer, FakeProducer(), held, limit=1)
    coming = [Batch(assigned=frozenset({THERE}))]
    paused_when_full: set[Partition] = set()

    def resumed_after_both_were_held() -> bool:
        if stage.assignment.paused and coming:
            consumer.batches.append(coming.pop())
        if THERE in stage.assignment.partitions and not gate.is_set():
            paused_when_full.update(consumer.paused)
            gate.set()
        return gate.is_set() and not consumer.paused

    await run_until(stage, resumed_after_both_were_held)
    assert paused_when_full == {HERE, THERE}


async def test_a_stage_that_has_room_again_resumes_no_partition_that_is_not_read_back() -> None:
    gate, read = asyncio.Event(), asyncio.Event()
    paused_with_room: set[Partition] = set()

    async def held(record: Record) -> Sequence[Draft]:
        await gate.wait()
        return await routed(record)

    async def read_back(partitions: frozenset[Partition]) -> None:
        if THERE in partitions:
            gate.set()
            await read.wait()

    consumer = FakeConsumer(Batch([record(0)], frozenset({HERE})))
    stage = stage_of(consumer, FakeProducer(), held, limit=1, read_back=read_back)
    coming = [Batch(assigned=frozenset({THERE}))]

    def read_when_there_was_room() -> bool:
        if stage.assignment.paused and coming:
            consumer.batches.append(coming.pop())
        if gate.is_set() and not stage.assignment.paused and not read.is_set():
            paused_with_room.update(consumer.paused)
            read.set()
        return read.is_set() and not consumer.paused

    await run_until(stage, read_when_there_was_room)
    assert paused_with_room == {THERE}


async def test_a_full_stage_pauses_all_of_its_partitions() -> None:
    gate = asyncio.Event()

    async def held(record: Record) -> Sequence[Draft]:
        await gate.wait()
        return await routed(record)

    consumer = FakeConsumer(Batch([record(0)], frozenset({HERE, THERE})))
    stage = stage_of(consumer, FakeProducer(), held, limit=1)

    def both_paused_and_resumed() -> bool:
        if stage.assignment.paused and not gate.is_set():
            assert consumer.paused == {HERE, THERE}
            gate.set()
        return gate.is_set() and not consumer.paused

    await run_until(stage, both_paused_and_resumed)


async def test_records_of_one_key_are_decided_one_after_the_other_where_asked() -> None:
    running: set[int] = set()
    together: list[set[int]] = []

    async def watched(record: Record) -> Sequence[Draft]:
        running.add(record.offset)
        together.append(set(running))
        await asyncio.sleep(0.01)
        running.discard(record.offset)
        return await routed(record)

    records = [record(0, b"a"), record(1, b"a"), record(2, b"b")]
    consumer = FakeConsumer(Batch(records, frozenset({HERE})))
    producer = FakeProducer()
    stage = stage_of(consumer, producer, watched, one_at_a_time_per_key=True)
    await run_until(stage, lambda: len(producer.values) == 3)
    assert not any({0, 1} <= pair for pair in together)
    assert any({0, 2} <= pair for pair in together)


class LosingProducer(FakeProducer):
    """Loses the first ``losses`` transactions, as when the broker was away longer than one may last."""

    def __init__(self, losses: int) -> None:
        super().__init__()
        self.losses = losses
        self.starts = 0

    async def start(self) -> None:
        self.starts += 1

    async def commit(self, drafts: Iterable[Draft], offsets: Mapping[Partition, int], _: Any) -> None:
        if self.losses:
            self.losses -= 1
            raise TransactionLost("fenced")
        await super().commit(drafts, offsets, _)


async def test_after_a_lost_transaction_the_records_are_read_and_decided_again() -> None:
    consumer = FakeConsumer(Batch([record(0), record(1)], frozenset({HERE})))
    consumer.after_rejoining = [Batch([record(0), record(1)], frozenset({HERE}))]
    producer = LosingProducer(losses=1)

    await run_until(stage_of(consumer, producer, routed), lambda: len(producer.values) == 2)

    assert producer.values == [b"0", b"1"]
    assert (producer.starts, producer.ended) == (2, 1)


@pytest.mark.parametrize("away", [False, True])
async def test_what_a_broker_keeps_open_is_ended_when_it_does_not_say_where_the_group_is(away: bool) -> None:
    class Pending(FakeConsumer):
        async def poll(self, limit: int, timeout_s: float) -> Batch:
            if producer.ended < 2:
                raise OffsetsUnknown("broker", "it does not say where the group is")
            return await super().poll(limit, timeout_s)

    class Ending(FakeProducer):
        async def end_what_was_left(self, consumer: Any) -> None:
            await super().end_what_was_left(consumer)
            if away:
                raise Unavailable("broker", "away")

    producer = Ending()
    consumer = Pending(Batch([record(0)], frozenset({HERE})))
    await run_until(stage_of(consumer, producer, routed), lambda: producer.values == [b"0"])
    assert producer.ended == 2


async def test_a_broker_that_is_merely_away_is_waited_for_and_nothing_is_ended() -> None:
    class Away(FakeConsumer):
        polls = 0

        async def poll(self, limit: int, timeout_s: float) -> Batch:
            self.polls += 1
            if self.polls < 3:
                raise Unavailable("broker", "away")
            return await super().poll(limit, timeout_s)

    producer = FakeProducer()
    consumer = Away(Batch([record(0)], frozenset({HERE})))
    await run_until(stage_of(consumer, producer, routed), lambda: producer.values == [b"0"])
    assert producer.ended == 0


async def test_a_stage_that_begins_again_after_a_lost_transaction_says_so_until_it_has_its_partitions() -> (
    None
):
    begun_again = asyncio.Event()

    class Slow(LosingProducer):
        async def start(self) -> None:
            await super().start()
            if self.starts > 1:
                await begun_again.wait()

    readiness, producer = Readiness(), Slow(losses=1)
    consumer = FakeConsumer(Batch([record(0)], frozenset({HERE})))
    consumer.after_rejoining = [Batch([record(0)], frozenset({HERE}))]

    def said_while_it_began() -> bool:
        if producer.starts == 2 and not begun_again.is_set():
            assert readiness.waiting_for == ["test: a transaction was lost"]
            begun_again.set()
        return producer.values == [b"0"]

    await run_until(stage_of(consumer, producer, routed, readiness), said_while_it_began)
    assert readiness.waiting_for == []


async def test_transactions_that_are_lost_again_and_again_stop_the_process() -> None:
    consumer = FakeConsumer(Batch([record(0)], frozenset({HERE})))
    consumer.after_rejoining = [Batch([record(0)], frozenset({HERE}))]
    stage = stage_of(consumer, LosingProducer(losses=100), routed)

    with pytest.raises(Fatal, match="ORCHESTRATOR_REPLICA"):
        async with asyncio.timeout(10):
            await stage.run(asyncio.Event())
    assert consumer.closed


async def test_one_slow_decision_does_not_keep_what_comes_behind_it_from_being_decided() -> None:
    # Sixty-four that were slow filled the room; and so did a single one, with the finished ones behind it.
    slow = asyncio.Event()
    decided: list[int] = []

    async def decide(record: Record) -> Sequence[Draft]:
        if record.offset == 0:
            await slow.wait()
        decided.append(record.offset)
        return []

    batches = [Batch([record(10 * number + one) for one in range(10)]) for number in range(50)]
    consumer = FakeConsumer(Batch(assigned=frozenset({HERE})), *batches)
    await run_until(
        stage_of(consumer, FakeProducer(), decide, limit=10),
        lambda: (len(decided) == 499 and not slow.set()) or len(decided) == 500,
    )
    assert consumer.committed == {HERE: 500}


async def test_what_is_set_aside_takes_no_room_up_to_a_bound() -> None:
    stuck = asyncio.Event()
    begun: list[int] = []

    async def decide(record: Record) -> Sequence[Draft]:
        begun.append(record.offset)
        await stuck.wait()
        return []

    batches = [Batch([record(number, key=str(number).encode())]) for number in range(100)]
    consumer = FakeConsumer(Batch(assigned=frozenset({HERE})), *batches)
    stage = stage_of(consumer, FakeProducer(), decide, limit=10, set_aside=lambda: len(begun))
    await run_until(stage, lambda: consumer.paused and (stuck.set() or True))
    assert 40 <= len(begun) <= 41


async def stopped_when_begun(stage: Stage, begun: asyncio.Event, stopping: asyncio.Event) -> None:
    running = asyncio.create_task(stage.run(stopping))
    async with asyncio.timeout(10):
        await begun.wait()
        stopping.set()
        await running


async def test_what_is_being_decided_at_a_stop_is_finished_and_committed_whatever_it_takes_to_write(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "orchestrator.consume.offset_ledger.WRITTEN_AT_ONCE", 1
    )  # each outcome in a transaction of its own
    begun, stopping = asyncio.Event(), asyncio.Event()

    async def decide(record: Record) -> Sequence[Draft]:
        begun.set()
        await stopping.wait()
        await asyncio.sleep(0.05)  # longer than the loop waits for quick decisions
        return await routed(record)

    consumer = FakeConsumer(Batch([record(0), record(1)], frozenset({HERE})))
    producer = FakeProducer()
    await stopped_when_begun(stage_of(consumer, producer, decide), begun, stopping)
    assert producer.transactions[-1][1] == {HERE: 2}
    assert producer.values == [b"0", b"1"]
    assert consumer.closed


async def test_the_offsets_of_records_without_drafts_are_committed_at_a_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orchestrator.consume.checkpoint._QUIET_COMMIT_S", 3600.0)
    decided: list[int] = []

    async def skipped(record: Record) -> Sequence[Draft]:
        decided.append(record.offset)
        return []

    consumer = FakeConsumer(Batch([record(0)], frozenset({HERE})))
    stage = stage_of(consumer, FakeProducer(), skipped)

    def second_decided_and_not_committed() -> bool:
        if consumer.committed == {HERE: 1} and not consumer.batches and decided == [0]:
            consumer.batches = [Batch([record(1)])]
        return decided == [0, 1]

    await run_until(stage, second_decided_and_not_committed)
    assert consumer.committed == {HERE: 2}


@pytest.mark.parametrize("why", [Unavailable("broker", "away"), TransactionLost("fenced")])
async def test_a_stage_that_can_not_commit_at_a_stop_hands_back_what_it_has_and_ends(why: Exception) -> None:
    begun, stopping = asyncio.Event(), asyncio.Event()

    class Failing(FakeProducer):
        async def commit(self, *_: Any) -> None:
            raise why

    async def decide(record: Record) -> Sequence[Draft]:
        begun.set()
        await stopping.wait()
        await asyncio.sleep(0.05)  # longer than the loop waits for quick decisions
        return await routed(record)

    consumer = FakeConsumer(Batch([record(0)], frozenset({HERE})))
    await stopped_when_begun(stage_of(consumer, Failing(), decide), begun, stopping)
    assert consumer.committed == {}
    assert consumer.closed


async def test_a_decision_that_takes_too_long_after_a_stop_is_handed_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orchestrator.consume.stage._GRACE_S", 0.05)
    begun, stopping, cancelled = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def decide(record: Record) -> Sequence[Draft]:
        if record.offset == 0:
            return await routed(record)
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return []

    consumer = FakeConsumer(Batch([record(0), record(1)], frozenset({HERE})))
    producer = FakeProducer()
    await stopped_when_begun(stage_of(consumer, producer, decide), begun, stopping)
    assert producer.values == [b"0"]
    assert producer.transactions[-1][1] == {HERE: 1}
    async with asyncio.timeout(5):
        await cancelled.wait()


def counted(name: str) -> float | None:
    return REGISTRY.get_sample_value(f"signalbox_{name}", {"stage": "test"})


async def test_a_stage_counts_what_it_reads_and_commits_and_leaves_no_figures_behind() -> None:
    decided = asyncio.Event()

    async def held(record: Record) -> Sequence[Draft]:
        if record.offset:
            await decided.wait()
        return await routed(record)

    seen: list[tuple[float | None, ...]] = []

    def one_is_committed() -> bool:
        figures = tuple(map(counted, ("records_total", "in_flight", "commits_total")))
        if figures == (3, 2, 1):
            seen.append(figures)
            decided.set()
        return len(producer.values) == 3

    consumer = FakeConsumer(Batch([record(0), record(1), record(2)], frozenset({HERE})))
    producer = FakeProducer()
    await run_until(stage_of(consumer, producer, held), one_is_committed)
    assert seen
    assert [counted(name) for name in ("records_total", "in_flight", "commits_total")] == [None] * 3


async def test_what_keeps_a_stage_from_reading_or_committing_is_told_by_its_own_name_until_it_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("assignment", "checkpoint"):
        monkeypatch.setattr(f"orchestrator.consume.{module}._PAUSE_S", 0.001)
    readiness, told = Readiness(), list[list[str]]()

    class Away(FakeConsumer):
        async def poll(self, limit: int, timeout_s: float) -> Batch:
            told.append(readiness.waiting_for)
            if len(told) == 3:
                raise Unavailable("broker", "no leader")
            return await super().poll(limit, timeout_s)

    def committed() -> bool:
        return producer.values == [b"0"] and readiness.ready

    consumer = Away(Batch(assigned=frozenset({HERE})), Batch(), Batch(), Batch(), Batch([record(0)]))
    producer = FakeProducer(refusals=1)
    await run_until(stage_of(consumer, producer, routed, readiness), committed)
    reasons = {reason for reasons in told for reason in reasons}
    assert reasons >= {"test broker: no leader", "test commit: away"}
    assert ["test commit: away"] in told
    assert readiness.ready


async def test_a_stage_that_ends_while_it_waits_for_the_broker_says_nothing_more() -> None:
    class Away(FakeConsumer):
        async def poll(self, limit: int, timeout_s: float) -> Batch:
            raise Unavailable("broker", "no leader")

    readiness = Readiness()
    stage = stage_of(Away(), FakeProducer(), routed, readiness)
    await run_until(stage, lambda: "test broker: no leader" in readiness.waiting_for)
    assert (readiness.waiting_for, readiness.impaired) == ([], [])


async def test_a_stage_is_idle_when_it_has_read_all_and_decides_on_nothing() -> None:
    decided, polls = asyncio.Event(), 0

    class Counting(FakeConsumer):
        async def poll(self, limit: int, timeout_s: float) -> Batch:
            nonlocal polls
            polls += 1
            return await super().poll(limit, timeout_s)

    async def held(record: Record) -> Sequence[Draft]:
        begun.append(polls)
        await decided.wait()
        return await routed(record)

    def is_idle_after_it_was_at_work() -> bool:
        if begun and polls > begun[0] + 3 and not decided.is_set():
            assert stage.idle_since is None
            decided.set()
        return bool(producer.values) and stage.idle_since is not None

    begun: list[int] = []
    producer = FakeProducer()
    consumer = Counting(Batch([record(0)], frozenset({HERE})))
    stage = stage_of(consumer, producer, held)
    before = asyncio.get_running_loop().time()
    await run_until(stage, is_idle_after_it_was_at_work)
    assert before <= (stage.idle_since or 0) <= asyncio.get_running_loop().time()
