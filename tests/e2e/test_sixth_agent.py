"""A new agent with a record type of its own joins while the system runs; nothing else is restarted."""

import asyncio
from pathlib import Path

from operating import Operator, lead
from reviewing import asked_for_review, reviewer_running
from signalbox.kafka import Producer


async def test_a_sixth_agent_gets_its_first_message_and_its_answer_is_routed_on(
    operator: Operator, producer: Producer, tmp_path: Path
) -> None:
    orchestrator = operator.stack.process("orchestrator").pid
    fields = lead(700, job_title="Student", email="s700@gmail.com", project_description="For my thesis.")
    lead_id = await operator.post(**fields)
    assert await operator.settled([lead_id]) == {lead_id: "ended"}

    async with reviewer_running(operator, tmp_path) as contract:
        await producer.publish(asked_for_review(lead_id, fields, contract))

        async with asyncio.timeout(60):
            while (journey := await operator.journey(lead_id))["status"] != "scheduled":
                await asyncio.sleep(0.1)
    handled = [entry["agent"] for entry in journey["timeline"] if entry["stage"] == "handled"]
    assert handled[-3:] == ["reviewer", "active_outreach", "send_email"]
    assert operator.stack.process("orchestrator").pid == orchestrator
