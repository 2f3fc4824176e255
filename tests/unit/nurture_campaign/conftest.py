"""A lead, and the means that the kit hands to a handler: the offline model and the real contract's rules."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from nurture_campaign.agent import make_agent
from signalbox.agent import Message, TaskModel, Work
from signalbox.agent.contracts import OwnContracts
from signalbox.envelope import Envelope, correlation_id_of
from signalbox.governance.registry import SchemaVersion
from signalbox.models import Model, ModelSettings
from signalbox.names import LeadId, MessageId, RecordType, SchemaId, Subject
from signalbox.telemetry import logger
from signalbox_contracts.sdr import Lead


class RegistryInMemory:
    """Stands for the registry, which is outside: every schema is registered, as version 1."""

    def __init__(self) -> None:
        self._ids: dict[tuple[Subject, str], SchemaId] = {}

    async def lookup(self, subject: Subject, schema_text: str) -> SchemaId | None:
        return self._ids.setdefault((subject, schema_text), SchemaId(len(self._ids) + 1))

    async def usages(self, schema_id: SchemaId) -> frozenset[tuple[Subject, int]]:
        return frozenset((subject, 1) for (subject, _), found in self._ids.items() if found == schema_id)

    async def schema_text(self, schema_id: SchemaId) -> str | None:
        return next((text for (_, text), found in self._ids.items() if found == schema_id), None)

    async def versions(self, subject: Subject) -> list[SchemaVersion]:
        return []


@pytest.fixture
def a_lead() -> Callable[..., Lead]:
    def make(**changes: Any) -> Lead:
        values = {
            "lead_id": "lead-1",
            "name": "Anna Schmidt",
            "email": "anna@bergwerk.example",
            "company_name": "Bergwerk Logistik GmbH",
            "job_title": "Head of Operations",
            "lead_source": "website_form",
            "project_description": "Our weekly report is put together in Excel; budget 40k, go-live in June.",
            "captured_at": datetime(2030, 5, 6, 7, 8, 9, tzinfo=UTC),
        }
        return Lead.model_validate({**values, **changes})

    return make


@pytest.fixture
async def contracts() -> OwnContracts:
    return await OwnContracts.look_up(make_agent(), RegistryInMemory())


@pytest.fixture
def work(contracts: OwnContracts) -> Work:
    model = TaskModel(Model("offline", ModelSettings()), MessageId("m-1"))
    return Work(model, logger("test"), contracts.violation)


@pytest.fixture
def message() -> Callable[..., Message[Any]]:
    def make(record: Any) -> Message[Any]:
        lead_id = LeadId(record.lead.lead_id)
        envelope = Envelope(
            id=MessageId("m-1"),
            source="test",
            type=RecordType(f"sdr.{type(record).__name__}"),
            time=datetime(2030, 5, 6, 7, 8, 9, tzinfo=UTC),
            correlation_id=correlation_id_of(lead_id),
        )
        return Message(envelope, lead_id, record)

    return make
