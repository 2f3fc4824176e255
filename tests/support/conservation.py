"""What became of the leads that were accepted: none lost, none twice."""

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing

from operating import FINAL, Operator


async def assert_each_is_scheduled_once(operator: Operator, lead_ids: Sequence[str]) -> None:
    """Wait until each lead is scheduled, and hold lead store, topics and mail store against each other."""
    assert len(set(lead_ids)) == len(lead_ids)
    await assert_each_ends_as(operator, dict.fromkeys(lead_ids, "scheduled"))


async def assert_each_ends_as(operator: Operator, expected: Mapping[str, str]) -> None:
    """Wait until each lead is in a final state, which has to be the one that is expected of it.

    What is scheduled is so once, and nothing else is, in topics and mail store; every lead that the stack
    captured so far is scheduled, ended, dead-lettered or in flight.
    """
    states = await operator.settled(list(expected), deadline_s=180)
    assert {lead_id: state for lead_id, state in states.items() if state != expected[lead_id]} == {}
    assert set(_rows(operator, "lead_capture/leads.db", "SELECT lead_id FROM leads")) >= expected.keys()
    times = {lead_id: int(state == "scheduled") for lead_id, state in expected.items()}
    terminal = await operator.terminal_records_of(expected)
    assert {lead_id: len(messages) for lead_id, messages in terminal.items()} == times
    campaigns = Counter(_rows(operator, "send_email/schedule.db", "SELECT lead_id FROM campaigns"))
    assert {lead_id: campaigns[lead_id] for lead_id in expected} == times
    stats = await operator.stats()
    assert stats["captured"] == sum(stats[state] for state in (*FINAL, "in_flight"))


def _rows(operator: Operator, store: str, query: str) -> list[str]:
    with closing(sqlite3.connect(operator.stack.run_dir / "data" / store)) as connection:
        return [row[0] for row in connection.execute(query)]
