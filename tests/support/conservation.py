"""What became of the leads that were accepted: none lost, none twice."""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing

from operating import Operator


async def assert_each_is_scheduled_once(operator: Operator, lead_ids: Sequence[str]) -> None:
    """Wait until each lead is scheduled, and hold lead store, topics and mail store against each other."""
    states = await operator.settled(lead_ids, deadline_s=180)
    assert {lead_id: state for lead_id, state in states.items() if state != "scheduled"} == {}
    assert len(states) == len(lead_ids)
    assert set(_rows(operator, "lead_capture/leads.db", "SELECT lead_id FROM leads")) >= set(lead_ids)
    terminal = await operator.terminal_records_of(lead_ids)
    assert {lead_id: len(messages) for lead_id, messages in terminal.items() if len(messages) != 1} == {}
    campaigns = Counter(_rows(operator, "send_email/schedule.db", "SELECT lead_id FROM campaigns"))
    assert {lead_id: campaigns[lead_id] for lead_id in lead_ids if campaigns[lead_id] != 1} == {}


def _rows(operator: Operator, store: str, query: str) -> list[str]:
    with closing(sqlite3.connect(operator.stack.run_dir / "data" / store)) as connection:
        return [row[0] for row in connection.execute(query)]
