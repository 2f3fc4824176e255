"""The ledger commits what is finished, in the order in which it came."""

import asyncio
from collections.abc import Sequence

import pytest

from orchestrator.consume.offset_ledger import WRITTEN_AT_ONCE, Ledger
from signalbox.kafka import Partition
from signalbox.protocol.records import Draft, Record

HERE = Partition("agent_messages", 0)
THERE = Partition("agent_messages", 1)


def record(offset: int, partition: int = 0) -> Record:
    return Record("agent_messages", partition, offset, b"lead", b"value")


def dated(at_ms: int, partition: int) -> Record:
    return Record("agent_messages", partition, at_ms, b"lead", b"value", timestamp_ms=at_ms)


async def decided(*drafts: Draft) -> Sequence[Draft]:
    return drafts


async def never() -> Sequence[Draft]:
    await asyncio.Event().wait()
    return []


async def settled(ledger: Ledger) -> None:
    while ledger.undecided:
        await asyncio.wait(ledger.undecided, timeout=1)


async def test_a_finished_record_behind_an_undecided_one_is_not_committed() -> None:
    ledger, slow = Ledger(), asyncio.create_task(never())
    ledger.expect(record(0), slow)
    ledger.expect(record(1), asyncio.create_task(decided(Draft("agent_routes", b"k", b"v"))))
    await asyncio.sleep(0)

    assert not ledger.finished_prefix()
    slow.cancel()


async def test_the_finished_prefix_of_each_partition_is_committed_with_its_drafts() -> None:
    ledger, slow = Ledger(), asyncio.create_task(never())
    first, second = Draft("agent_routes", b"k", b"1"), Draft("agent_routes", b"k", b"2")
    ledger.expect(record(7), asyncio.create_task(decided(first)))
    ledger.expect(record(8), slow)
    ledger.expect(record(3, partition=1), asyncio.create_task(decided()))
    ledger.expect(record(4, partition=1), asyncio.create_task(decided(second)))
    await asyncio.sleep(0)

    prefix = ledger.finished_prefix()

    assert prefix.drafts == [first, second]
    assert prefix.offsets == {HERE: 8, THERE: 5}
    slow.cancel()


async def test_what_was_not_settled_is_offered_again() -> None:
    ledger = Ledger()
    ledger.expect(record(0), asyncio.create_task(decided()))
    await settled(ledger)

    assert ledger.finished_prefix() == ledger.finished_prefix()
    ledger.settle(ledger.finished_prefix())
    assert not ledger.finished_prefix()
    assert ledger.in_flight == 0


async def test_a_revoked_partition_is_forgotten_and_its_decisions_are_cancelled() -> None:
    ledger, slow = Ledger(), asyncio.create_task(never())
    ledger.expect(record(0), slow)

    ledger.drop([HERE])

    assert ledger.in_flight == 0
    with pytest.raises(asyncio.CancelledError):
        await slow


async def test_the_size_of_what_is_settled_or_dropped_is_given_back() -> None:
    ledger, slow = Ledger(), asyncio.create_task(never())
    ledger.expect(record(0), asyncio.create_task(decided()))
    ledger.expect(record(1), slow)
    ledger.expect(record(0, partition=1), asyncio.create_task(decided()))
    assert ledger.size == 3 * len(b"lead" + b"value")
    async with asyncio.timeout(5):
        while len(ledger.undecided) > 1:
            await asyncio.sleep(0)

    ledger.settle(ledger.finished_prefix())
    assert ledger.size == len(b"lead" + b"value")
    ledger.drop([HERE, THERE])
    assert ledger.size == 0
    slow.cancel()


async def test_a_partition_that_stays_keeps_its_records_and_their_size() -> None:
    ledger, slow = Ledger(), asyncio.create_task(never())
    ledger.expect(record(0), slow)
    ledger.expect(record(0, partition=1), asyncio.create_task(never()))

    ledger.drop([THERE])

    assert (ledger.in_flight, ledger.size) == (1, len(b"lead" + b"value"))
    await asyncio.sleep(0)
    assert ledger.undecided == [slow]
    slow.cancel()


async def test_a_decision_that_raises_is_never_skipped() -> None:
    async def broken() -> Sequence[Draft]:
        raise ZeroDivisionError

    ledger = Ledger()
    ledger.expect(record(0), asyncio.create_task(broken()))
    await settled(ledger)

    with pytest.raises(ZeroDivisionError):
        ledger.finished_prefix()


async def test_one_prefix_holds_what_a_transaction_writes_at_once_over_all_partitions() -> None:
    ledger, third_of_it = Ledger(), Draft("agent_routes", b"", b"x" * (WRITTEN_AT_ONCE // 3 + 1))
    for offset in range(3):
        for partition in (0, 1):
            ledger.expect(record(offset, partition), asyncio.create_task(decided(third_of_it)))
    await settled(ledger)
    prefix = ledger.finished_prefix()
    assert (len(prefix.drafts), prefix.lengths) == (3, {HERE: 3})
    ledger.settle(prefix)
    assert ledger.finished_prefix().lengths == {THERE: 3}


async def test_the_oldest_is_the_first_that_is_not_settled_and_says_when_it_was_written() -> None:
    ledger, slow = Ledger(), asyncio.create_task(never())
    assert ledger.oldest is None
    done = asyncio.create_task(decided())
    for one, decision in (
        (dated(10, 0), done),
        (dated(20, 0), slow),
        (dated(15, 1), slow),
        (dated(0, 2), slow),
    ):
        ledger.expect(one, decision)
    assert ledger.oldest == dated(10, 0)
    await done
    ledger.settle(ledger.finished_prefix())
    assert ledger.oldest == dated(15, 1)
    slow.cancel()
