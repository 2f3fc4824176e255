"""The contracts in this repository: sound, current, and of one mind with their models."""

import io
import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import fastavro
import pytest
from pydantic import BaseModel

import signalbox.control
import signalbox_contracts
from committed_contracts import record_types, schema_text
from signalbox.catalog import Catalog
from signalbox.control import models as control
from signalbox.protocol.names import RecordType
from signalbox_contracts import sdr
from signalbox_operations.contracts.generation import generate, stale
from signalbox_operations.contracts.lint import lint

NOW = datetime(2025, 3, 4, 5, 6, 7, 891000, tzinfo=UTC)
LEAD = sdr.Lead(
    lead_id="lead-1",
    name="Żółć 李雷",
    email="li.lei+news@firma.example",
    company_name="Firma",
    job_title="Head of Things",
    lead_source="website_form",
    captured_at=NOW,
)
EXAMPLES: list[BaseModel] = [
    sdr.LeadCaptured(lead=LEAD),
    sdr.LeadProfiled(
        lead=LEAD.model_copy(
            update={"company_website": "https://firma.example", "project_description": "a\nb"}
        ),
        report=sdr.Report(
            summary="Fits.",
            pain_points=["slow"],
            sources=[sdr.Source(kind="website", location="https://firma.example", retrieved_at=NOW)],
        ),
    ),
    sdr.LeadScored(lead=LEAD, score=70, next_step=sdr.NextStep.NURTURE, rationale="Fits."),
    sdr.CampaignDrafted(
        lead=LEAD,
        campaign_type=sdr.CampaignType.NURTURE,
        emails=[sdr.Email(to=LEAD.email, subject="Hello", body="Hello,\n…", send_after_hours=0)],
    ),
    sdr.CampaignScheduled(
        lead_id="lead-1",
        campaign_id="c-1",
        campaign_type=sdr.CampaignType.ACTIVE_OUTREACH,
        emails=[sdr.ScheduledEmail(message_id="<1@x>", scheduled_at=NOW, status="scheduled")],
    ),
    control.RouteDecided(
        message_id="m",
        correlation_id="c",
        lead_id="lead-1",
        record_type="sdr.LeadScored",
        candidates=["a", "b"],
        agent="a",
        reason="It fits.",
        payload=b"\x00\xff",
        payload_key=b"lead-1",
        payload_headers=[
            control.RouteHeader(name="h", value=None),
            control.RouteHeader(name="h", value=b"\xff"),
        ],
        source_topic="agent_messages",
        source_partition=0,
        source_offset=1,
    ),
    control.AgentRegistered(
        agent_id="a",
        name="A",
        description="Does a.",
        input=[control.AgentInput(record_type="sdr.LeadScored", when="this.score > 1")],
        output=[control.AgentOutput(record_type="sdr.CampaignDrafted")],
        endpoint="http://127.0.0.1:8101",
        contracts=[control.ContractVersion(record_type="sdr.LeadScored", version=1, schema_id=1)],
        registered_at=NOW,
    ),
    control.AgentGranted(
        agent_id="a",
        public_keys=["-----BEGIN PUBLIC KEY-----"],
        endpoints=["http://127.0.0.1:8101"],
        takes=["sdr.LeadScored"],
        granted_at=NOW,
        removed_at=NOW,
        who="ana",
    ),
    control.MessageRejected(
        message_id=None,
        lead_id="lead-1",
        reason="MALFORMED",
        stage="gate",
        topic="agent_messages",
        partition=0,
        offset=1,
        dead_letter_topic="agent_messages_dlt",
    ),
    control.MessageReplayed(
        replay_id="r", who="ana", dead_letter_topic="t", dead_letter_partition=0, dead_letter_offset=1
    ),
    control.MessageDiscarded(
        who="ana", reason="spam", dead_letter_topic="t", dead_letter_partition=0, dead_letter_offset=1
    ),
    control.RouteCorrected(
        message_id="m",
        correlation_id="c",
        lead_id="lead-1",
        record_type="sdr.LeadScored",
        route_id="r",
        candidates=["a", "b"],
        decided="a",
        agent="b",
        who="ana",
        reason="no buyer",
    ),
    control.DayBudgetSpent(replica="0", since=NOW, tokens=1, cost_nano_usd=2),
]


def record_type_of(model: BaseModel) -> str:
    namespace = "control" if type(model).__module__ == control.__name__ else "sdr"
    return f"{namespace}.{type(model).__name__}"


def test_the_contracts_have_no_lint_findings(catalog: Catalog) -> None:
    assert lint(catalog) == []


def test_the_generated_code_is_current(catalog: Catalog) -> None:
    assert stale(generate(catalog), catalog) == {}


def test_the_generated_packages_have_what_the_catalog_lists(catalog: Catalog) -> None:
    generated = [*signalbox.control.record_types(), *signalbox_contracts.record_types()]
    assert generated == sorted(catalog.records)
    assert signalbox.control.schema_text(generated[0]) == schema_text(generated[0])
    assert signalbox_contracts.schema_text(generated[-1]) == schema_text(generated[-1])


def test_every_catalogued_record_is_registered_under_its_full_name(catalog: Catalog) -> None:
    assert record_types() == tuple(sorted(catalog.records))
    for name in record_types():
        schema = json.loads(schema_text(name))
        assert f"{schema['namespace']}.{schema['name']}" == name


def test_every_record_type_has_an_example_here() -> None:
    assert {record_type_of(example) for example in EXAMPLES} == set(record_types())


@pytest.mark.parametrize("example", EXAMPLES, ids=record_type_of)
def test_a_model_survives_the_way_through_avro_and_back(example: BaseModel) -> None:
    schema = fastavro.parse_schema(json.loads(schema_text(record_type_of(example))))
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, schema, example.model_dump(), strict=True)
    buffer.seek(0)
    datum: Any = fastavro.schemaless_reader(buffer, schema, None)
    assert type(example).model_validate(datum) == example


@pytest.mark.parametrize("module", ["signalbox_contracts", "signalbox.control.models"])
def test_importing_a_part_does_not_import_the_domain_records(module: str) -> None:
    script = f"import sys, {module}; sys.exit('signalbox_contracts.sdr' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_enum_default_is_the_one_for_what_newer_writers_add() -> None:
    assert sdr.NextStep("UNKNOWN") is sdr.NextStep.UNKNOWN
    assert sdr.CampaignType("UNKNOWN") is sdr.CampaignType.UNKNOWN


def test_topics_admit_the_records_of_the_design(catalog: Catalog) -> None:
    messages = [RecordType(name) for name in record_types() if name.startswith("sdr.")]
    assert all(catalog.admits("agent_messages", name) for name in messages)
    assert catalog.topics["incoming_leads"].admits == (RecordType("sdr.LeadCaptured"),)
    assert not catalog.admits("agent_messages", RecordType("control.RouteDecided"))
    assert not catalog.admits("agent_messages_dlt", RecordType("sdr.LeadScored"))


def test_routes_and_dead_letters_have_the_partitions_of_the_messages(catalog: Catalog) -> None:
    partitions = catalog.topics["agent_messages"].partitions
    assert catalog.topics["agent_routes"].partitions == partitions
    assert catalog.topics["agent_messages_dlt"].partitions == partitions
    assert catalog.topics["incoming_leads_dlt"].partitions == catalog.topics["incoming_leads"].partitions


def test_messages_and_routes_outlive_a_workflow_and_dead_letters_a_month(catalog: Catalog) -> None:
    day_ms = 24 * 3_600_000
    assert (catalog.topics["agent_messages"].retention_ms or 0) > day_ms
    assert (catalog.topics["agent_routes"].retention_ms or 0) > day_ms
    assert catalog.topics["agent_messages_dlt"].retention_ms == 30 * day_ms


def test_only_the_scheduled_campaign_ends_a_workflow(catalog: Catalog) -> None:
    assert [name for name, record in catalog.records.items() if record.terminal] == ["sdr.CampaignScheduled"]
