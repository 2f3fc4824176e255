"""A lead, and the means that the kit hands to a handler: the offline model and the contracts' own rules.

A folder's conftest imports these fixtures, and gives its agent by a fixture ``agent``.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from in_memory import AgentRegistry
from signalbox.models import Model, ModelRefused, ModelSettings
from signalbox.protocol.envelope import Envelope, correlation_id_of
from signalbox.protocol.names import LeadId, MessageId, RecordType
from signalbox.telemetry import logger
from signalbox_agent import Agent, Message, TaskModel, Work
from signalbox_agent.contracts import OwnContracts
from signalbox_contracts.sdr import Lead

NOW = datetime(2030, 5, 6, 7, 8, 9, tzinfo=UTC)


def lead_with(**changes: Any) -> Lead:
    values = {
        "lead_id": "lead-1",
        "name": "Anna Schmidt",
        "email": "anna@bergwerk.example",
        "company_name": "Bergwerk Logistik GmbH",
        "job_title": "Head of Operations",
        "lead_source": "website_form",
        "project_description": "Our weekly report is put together in Excel; budget 40k, go-live in June.",
        "captured_at": NOW,
    }
    return Lead.model_validate({**values, **changes})


def message_with(record: Any, *, lead_id: str, message_id: str = "m-1") -> Message[Any]:
    envelope = Envelope(
        id=MessageId(message_id),
        source="test",
        type=RecordType(f"sdr.{type(record).__name__}"),
        time=NOW,
        correlation_id=correlation_id_of(LeadId(lead_id)),
    )
    return Message(envelope, LeadId(lead_id), record)


def offline_work(violation: Callable[[Any], str | None], message_id: str = "m-1") -> Work:
    model = TaskModel(Model("offline", ModelSettings()), MessageId(message_id))
    return Work(model, logger("test"), violation)


async def must_heed_the_contract_in_force(agent: Agent, message: Message[Any]) -> None:
    """Register a rule that no answer holds, after the agent was built: its model must be told of it."""
    registry = AgentRegistry.of(agent)
    (output,) = agent.gives
    content = json.loads(output.schema_text)
    content["confluent:rules"] = [{"name": "for_nobody", "doc": "", "expr": "this.lead.lead_id == ''"}]
    registry.has(99, json.dumps(content), version=2)
    contracts = await OwnContracts.look_up(agent, registry)
    with pytest.raises(ModelRefused, match="for_nobody") as refused:
        await agent.handle(message, offline_work(contracts.violation))
    assert refused.value.violated_check
    assert refused.value.calls == 3


@pytest.fixture
def a_lead() -> Callable[..., Lead]:
    return lead_with


@pytest.fixture
async def contracts(agent: Agent) -> OwnContracts:
    return await OwnContracts.look_up(agent, AgentRegistry.of(agent))


@pytest.fixture
def work(contracts: OwnContracts) -> Work:
    return offline_work(contracts.violation)


@pytest.fixture
def message() -> Callable[..., Message[Any]]:
    return lambda record: message_with(record, lead_id=record.lead.lead_id)
