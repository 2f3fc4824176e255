"""The AsyncAPI document: what its references, channels and messages must hold.

`make asyncapi` holds it against AsyncAPI's own parser, which needs Node.js; this needs nothing.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import pytest
import yaml
from typer.testing import CliRunner

from committed_contracts import record_types, schema_text
from signalbox.catalog import Catalog
from signalbox.protocol.envelope import CONTENT_TYPE
from signalbox_cli.contracts import app
from signalbox_operations.contracts.asyncapi import asyncapi

from .conftest import CONTRACTS


@pytest.fixture(scope="module")
def document(catalog: Catalog) -> dict[str, Any]:
    return asyncapi(catalog)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = set(references(document))
    assert found
    for reference in found:
        target: Any = document
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]
        assert isinstance(target, dict)


def test_channels_are_the_catalogs_topics_with_what_each_admits(
    document: dict[str, Any], catalog: Catalog
) -> None:
    assert document["asyncapi"] == "3.0.0"
    assert set(document["channels"]) == set(catalog.topics)
    for name, topic in catalog.topics.items():
        channel = document["channels"][name]
        assert channel["address"] == name
        assert set(channel["messages"]) == (set(topic.admits) or {"DeadLetter"})
        assert channel["bindings"]["kafka"]["partitions"] == topic.partitions


@pytest.mark.parametrize("record_type", record_types())
def test_a_message_embeds_the_schema_that_is_registered(document: dict[str, Any], record_type: str) -> None:
    message = document["components"]["messages"][record_type]
    assert message["contentType"] == CONTENT_TYPE
    assert message["payload"]["schemaFormat"] == "application/vnd.apache.avro;version=1.9.0"
    assert message["payload"]["schema"] == json.loads(schema_text(record_type))
    fastavro.parse_schema(message["payload"]["schema"])


def test_the_headers_are_those_that_an_envelope_writes(document: dict[str, Any]) -> None:
    headers = document["components"]["messageTraits"]["cloudEvent"]["headers"]
    required = {"specversion", "id", "source", "type", "time", "correlationid", "hop"}
    assert set(headers["required"]) == {f"ce_{name}" for name in required}
    assert set(headers["required"]) <= set(headers["properties"])


def test_the_command_writes_the_same_document_as_yaml_and_as_json(
    document: dict[str, Any], tmp_path: Path
) -> None:
    catalog = ["--catalog", str(CONTRACTS / "catalog.yaml")]
    written = CliRunner().invoke(app, ["asyncapi", "--out", str(tmp_path / "new" / "a.yaml"), *catalog])
    assert written.exit_code == 0
    assert yaml.safe_load((tmp_path / "new" / "a.yaml").read_text(encoding="utf-8")) == document
    assert json.loads(CliRunner().invoke(app, ["asyncapi", "--json", *catalog]).stdout) == document
