"""The orchestrator's log lines hold no personal data of the message in hand, also when a decision fails."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from committed_contracts import schema_text
from orchestrator.consume.deciding import Deciding
from process_logs import process_logs
from signalbox.avro import parse
from signalbox.gate import Accepted
from signalbox.protocol.records import Record
from signalbox.telemetry import Readiness
from signalbox_decide.decider import Decider
from signalbox_decide.history import DecisionHistory
from signalbox_decide.workflow_usage import WorkflowUsages

LEAD = {
    "lead_id": "lead-1",
    "name": "Wilhelmina Unmistakable",
    "email": "wilhelmina@unmistakable.example",
    "company_name": "Unmistakable",
    "job_title": "CEO",
    "lead_source": "webinar",
    "company_website": None,
    "project_description": "A most unmistakable project.",
    "captured_at": datetime.now(UTC),
}


async def test_a_decision_that_fails_on_a_message_quotes_nobody(
    accepted: Callable[..., Accepted],
) -> None:
    message = accepted("sdr.LeadCaptured", {"lead": LEAD})
    contract: Any = SimpleNamespace(schema=parse(schema_text("sdr.LeadCaptured")))
    passed = Accepted(
        message.record, message.envelope, message.lead_id, message.record_type, message.datum, contract
    )

    class Parts:
        """Stands for gate and selection: the first lets the message pass, the second fails on its data."""

        failed = 0

        async def check(self, _: Record) -> Accepted:
            return passed

        async def route(self, asked: Accepted) -> Any:
            self.failed += 1
            if self.failed == 1:
                raise ValueError(f"can't cope with {asked.datum['lead']['email']} of {asked.datum}")
            raise asyncio.CancelledError

    parts: Any = Parts()
    workflows = WorkflowUsages()
    history = DecisionHistory(lambda *_: (), workflows)
    decider: Any = Decider(parts, history, workflows, parts, lambda *_: None)
    deciding = Deciding("test", decider.decide, Readiness(), one_at_a_time_per_key=False, fault_pause_s=0)
    with process_logs() as lines:
        with pytest.raises(asyncio.CancelledError):
            await deciding.begin(message.record)
        logged = json.dumps(lines(), ensure_ascii=False)

    assert "can't cope with" in logged
    for personal in ("Wilhelmina", "wilhelmina@unmistakable.example", "most unmistakable"):
        assert personal not in logged
