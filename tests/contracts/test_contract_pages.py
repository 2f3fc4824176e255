"""The pages of `contracts docs`: complete, escaped, linked, and without anything from elsewhere."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from html import unescape
from pathlib import Path
from typing import Any

import fastavro
import pytest
from typer.testing import CliRunner

from committed_contracts import record_types, schema_text
from signalbox.avro import parse
from signalbox.gate.rules import Rules
from signalbox_cli.contracts import app
from signalbox_operations.contracts.described import describe

from .conftest import CONTRACTS


def written(folder: Path, url: str) -> tuple[int, str, dict[str, str]]:
    environment = {"SCHEMA_REGISTRY_URL": url, "CATALOG": str(CONTRACTS / "catalog.yaml")}
    result = CliRunner().invoke(app, ["docs", "--out", str(folder)], env=environment)
    pages = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.html")}
    return result.exit_code, result.output, pages


def test_every_contract_has_a_page_with_its_fields_rules_versions_and_parties(
    registry_url: str, tmp_path: Path
) -> None:
    registered = CliRunner().invoke(
        app,
        ["register", "--catalog", str(CONTRACTS / "catalog.yaml")],
        env={"SCHEMA_REGISTRY_URL": registry_url},
    )
    assert registered.exit_code == 0
    status, _, pages = written(tmp_path / "pages", registry_url)
    assert status == 0
    assert set(pages) == {"index.html", *(f"{name}.html" for name in record_types())}
    page = unescape(pages["sdr.LeadScored.html"])
    for expected in (
        "lead.email",
        "within_0_and_100",
        "this >= 0 && this <= 100",
        "lead_scoring",
        "active_outreach, nurture_campaign",
        "ACTIVELY_ENGAGE",
        "the first version",
        "FULL_TRANSITIVE",
    ):
        assert expected in page
    assert page.count('<span class="pii">PII</span>') == len(
        describe(json.loads(schema_text("sdr.LeadScored"))).personal
    )


def test_no_page_links_to_what_is_not_there_or_loads_anything(tmp_path: Path) -> None:
    _, _, pages = written(tmp_path, "http://127.0.0.1:1")
    for page in pages.values():
        targets = re.findall(r'(?:href|src|action)="([^"]*)"', page)
        for target in targets:
            file, _, anchor = target.partition("#")
            assert file in pages
            assert not anchor or f'id="{anchor}"' in pages[file]
        assert "<script" not in page
        assert "url(" not in page


def test_without_a_registry_the_pages_say_that_the_versions_are_not_known(tmp_path: Path) -> None:
    status, told, pages = written(tmp_path, "http://127.0.0.1:1")
    assert status == 0
    assert "the pages have no versions" in told
    assert "The registry was not asked" in pages["sdr.LeadScored.html"]


@pytest.mark.parametrize("record_type", record_types())
def test_an_example_is_a_record_of_its_contract_that_keeps_every_rule(record_type: str) -> None:
    schema = json.loads(schema_text(record_type))
    example = _as_avro(json.loads(describe(schema).example), fastavro.parse_schema(schema))
    fastavro.validate(example, fastavro.parse_schema(schema), raise_errors=True)
    Rules(parse(schema_text(record_type))).check(example)


def _as_avro(value: Any, schema: Any) -> Any:
    """Turn the example's JSON into what Avro takes where JSON has no such type: bytes and times."""
    match schema:
        case {"type": "record", "fields": fields}:
            return {one["name"]: _as_avro(value[one["name"]], one["type"]) for one in fields}
        case {"type": "array", "items": items}:
            return [_as_avro(item, items) for item in value]
        case {"logicalType": _}:
            return datetime.fromisoformat(value)
        case [_, inner] if value is not None:
            return _as_avro(value, inner)
        case "bytes":
            return value.encode("latin-1")
    return value


def test_text_of_a_contract_is_escaped(tmp_path: Path) -> None:
    contracts = tmp_path / "contracts"
    (contracts / "avro" / "shop").mkdir(parents=True)
    record: Mapping[str, Any] = {
        "type": "record",
        "name": "Placed",
        "namespace": "shop",
        "doc": "<img src=x onerror=alert(1)>",
        "fields": [{"name": "a", "type": "string", "doc": "</td><script>", "default": "<b>"}],
    }
    (contracts / "avro" / "shop" / "Placed.avsc").write_text(json.dumps(record), encoding="utf-8")
    (contracts / "catalog.yaml").write_text(
        "version: 1\nnamespaces: {shop: '<i>'}\n"
        "records: {shop.Placed: {doc: '<u>', owner: '<s>'}}\n"
        "topics: {orders: {partitions: 1, admits: [shop.Placed]}}\n",
        encoding="utf-8",
    )
    environment = {"SCHEMA_REGISTRY_URL": "http://127.0.0.1:1", "CATALOG": str(contracts / "catalog.yaml")}
    assert CliRunner().invoke(app, ["docs", "--out", str(tmp_path / "o")], env=environment).exit_code == 0
    html = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "o").glob("*.html"))
    assert not re.search(r"<(img|script|b|i|u|s)\b", html)
