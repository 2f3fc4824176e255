"""The files of infra/connect against the contract; Connect's converters write by position: order matters."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from committed_contracts import schema_text
from signalbox.protocol.names import INCOMING_LEADS

CONNECTORS = ("leads-from-postgres", "leads-from-mongodb")
SQL_TYPES = {
    "string": "text NOT NULL",
    '["null", "string"]': "text",
    '{"type": "long", "logicalType": "timestamp-millis"}': "timestamp(3) NOT NULL",
}
SECRET = re.compile(r"\$\{secrets:/run/secrets/connect:[a-z-]+\}")


@pytest.fixture
def folder(root: Path) -> Path:
    return root / "infra" / "connect"


@pytest.fixture
def contract() -> dict[str, Any]:
    """``sdr.LeadCaptured`` without what does not change the bytes."""
    bare: dict[str, Any] = without_notes(json.loads(schema_text("sdr.LeadCaptured")))
    return bare


def lead_fields(contract: dict[str, Any]) -> list[dict[str, Any]]:
    (lead,) = contract["fields"]
    assert lead["name"] == "lead"
    fields: list[dict[str, Any]] = lead["type"]["fields"]
    return fields


def without_notes(schema: Any) -> Any:
    match schema:
        case dict():
            kept = {
                k: without_notes(v)
                for k, v in schema.items()
                if k != "doc" and not k.startswith("confluent:")
            }
            # A nested record has its namespace from the one around it.
            return {k: v for k, v in kept.items() if k != "namespace" or kept["name"] == "LeadCaptured"}
        case list():
            return [without_notes(item) for item in schema]
        case _:
            return schema


def read(folder: Path, kind: str, name: str) -> dict[str, str]:
    settings: dict[str, str] = json.loads((folder / kind / f"{name}.json").read_text())
    assert all(isinstance(value, str) for value in settings.values())
    return settings


def test_the_outbox_has_one_column_a_field_in_the_contracts_order(
    folder: Path, contract: dict[str, Any]
) -> None:
    sql = (folder / "postgres" / "outbox.sql").read_text()
    found = re.search(r"CREATE TABLE signalbox.lead_outbox \((.*?)\n\);", sql, re.DOTALL)
    assert found
    lines = [line.split("--")[0].strip().rstrip(",") for line in found[1].strip().splitlines()]
    columns = [line.replace("PRIMARY KEY", "NOT NULL").split(" ", maxsplit=1) for line in lines]
    assert columns == [
        [field["name"], SQL_TYPES[as_written(field["type"])]] for field in lead_fields(contract)
    ]


def as_written(kind: Any) -> str:
    return kind if isinstance(kind, str) else json.dumps(kind)


def test_the_documents_schema_is_the_contract(folder: Path, contract: dict[str, Any]) -> None:
    settings = read(folder, "connectors", "leads-from-mongodb")
    assert json.loads(settings["output.schema.value"]) == contract


def test_the_documents_are_shaped_into_every_field_of_the_contract(
    folder: Path, contract: dict[str, Any]
) -> None:
    stages = json.loads(read(folder, "connectors", "leads-from-mongodb")["pipeline"])
    assert stages[0] == {"$match": {"operationType": "insert"}}
    shaped = stages[1]["$addFields"]["fullDocument"]["lead"]
    assert list(shaped) == [field["name"] for field in lead_fields(contract)]


@pytest.mark.parametrize("connector", CONNECTORS)
def test_a_connector_writes_lead_captured_keyed_by_the_lead_id(folder: Path, connector: str) -> None:
    settings = read(folder, "connectors", connector)
    chain = settings["transforms"].split(",")
    assert [name for name in chain if f"transforms.{name}.type" not in settings] == []
    assert settings["transforms.topic.replacement"] == INCOMING_LEADS
    assert settings["transforms.captured.schema.name"] == "sdr.LeadCaptured"
    assert chain.index("captured") < chain.index("key") < chain.index("keyLead") < chain.index("keyId")
    key = [settings[f"transforms.{step}"] for step in ("key.fields", "keyLead.field", "keyId.field")]
    assert key == ["lead", "lead", "lead_id"]


@pytest.mark.parametrize("connector", CONNECTORS)
def test_a_connectors_secrets_are_in_files(folder: Path, connector: str) -> None:
    settings = read(folder, "connectors", connector)
    held = [value for name, value in settings.items() if "password" in name or "uri" in name]
    assert held
    assert all(SECRET.fullmatch(value) for value in held)


def test_no_converter_registers_a_schema_and_each_finds_the_contract_by_the_records_name(
    folder: Path,
) -> None:
    confluent = read(folder, "converters", "confluent-avro")
    assert confluent["value.converter.auto.register.schemas"] == "false"
    assert confluent["value.converter.use.latest.version"] == "true"
    assert confluent["value.converter.value.subject.name.strategy"].endswith(".RecordNameStrategy")
    apicurio = read(folder, "converters", "apicurio-avro")
    prefix = "value.converter.apicurio.registry"
    assert apicurio[f"{prefix}.auto-register"] == "false"
    assert apicurio[f"{prefix}.find-latest"] == "true"
    assert apicurio[f"{prefix}.as-confluent"] == "true"
    assert apicurio[f"{prefix}.artifact-resolver-strategy"].endswith(".QualifiedRecordIdStrategy")


def test_connect_is_of_the_same_version_as_the_stacks_kafka(root: Path, folder: Path) -> None:
    def version(pom: Path) -> str | None:
        return ElementTree.parse(pom).findtext(".//{*}kafka.version")

    assert version(folder / "pom.xml") == version(root / "infra" / "kafka" / "pom.xml") is not None


def test_the_worker_names_no_place_and_makes_no_topic(folder: Path) -> None:
    lines = [line for line in (folder / "worker.properties").read_text().splitlines() if "=" in line]
    settings = dict(line.split("=", maxsplit=1) for line in lines if not line.startswith("#"))
    assert settings["key.converter"] == "org.apache.kafka.connect.storage.StringConverter"
    assert settings["topic.creation.enable"] == "false"
    assert settings["bootstrap.servers"] == "${env:CONNECT_BOOTSTRAP_SERVERS}"
