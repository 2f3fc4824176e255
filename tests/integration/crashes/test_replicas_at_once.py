"""Two processes of one agent share a PostgreSQL, and both get a message at the same moment."""

from pathlib import Path

import sqlalchemy as sql

from agent_processes import (
    AgentProcesses,
    a_lead,
    messages_by_lead,
    posted,
    rows,
    schema_ids,
    until,
    writes_held,
)
from local_stack import Stack
from postgres_server import text_of

PROFILED = "sdr.LeadProfiled"
LEAD = "both-at-once"


def test_what_both_have_worked_on_is_stored_once_and_published_with_the_same_bytes(
    agents: AgentProcesses, governed: Stack, postgres: sql.URL, root: Path
) -> None:
    notes = agents.folder / "notes"
    settings = {"STATE_STORE_URL": text_of(postgres), "NOTES": str(notes), "HOLD": str(agents.folder)}
    program = str(root / "tests" / "support" / "careful_agent.py")
    replicas = [agents.start("careful", program, **settings) for _ in range(2)]
    for replica in replicas:
        replica.until_ready()
    report = {"summary": "They compute.", "pain_points": [], "buying_signals": [], "sources": []}
    schema_id = schema_ids(governed.env, [PROFILED])[PROFILED]
    message = posted(schema_id, PROFILED, LEAD, {"lead": a_lead(LEAD), "report": report})

    with writes_held(postgres, "workflow_answers"):
        waiting = [agents.give(replica, message) for replica in replicas]
        until(lambda: notes.exists() and notes.read_text().count("ended") == 2, "both have worked on it")
    answers = [each.result(60) for each in waiting]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    [(stored,)] = rows(postgres, "SELECT value FROM workflow_answers")
    one, other = messages_by_lead(governed.env)[LEAD]
    assert (one.value, one.headers) == (other.value, other.headers)
    assert one.value == bytes(stored)

    replicas[0].kill()
    assert replicas[1].take(message).json() == answers[0].json()
    assert notes.read_text().count("began") == 2
