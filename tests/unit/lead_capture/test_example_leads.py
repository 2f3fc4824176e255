import csv
import unicodedata
from datetime import UTC, datetime
from pathlib import Path

import pytest

from committed_contracts import schema_text
from lead_capture.callers import LOCAL
from lead_capture.capture import Capture
from lead_capture.lead import FIELDS
from lead_capture.publisher import LEAD_CAPTURED
from lead_capture.sql_store import SqlLeadStore
from signalbox.avro import decode, encode, parse, unframe
from signalbox.gate.rules import Rules
from signalbox.protocol.names import SchemaId
from signalbox_contracts import sdr

EXAMPLES = Path(__file__).parents[3] / "examples" / "leads.csv"


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    with EXAMPLES.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


async def test_every_row_is_accepted(
    capture: Capture, store: SqlLeadStore, rows: list[dict[str, str]]
) -> None:
    with EXAMPLES.open("rb") as file:
        result = await capture.import_csv(file, LOCAL, None, lambda: False)
    assert result.errors == []
    assert result.accepted == len(rows) >= 240
    assert result.ignored_columns == []
    assert [column for column in FIELDS if column != "lead_id"] == list(rows[0])


async def test_every_row_passes_the_contract_and_its_rules(capture: Capture, store: SqlLeadStore) -> None:
    with EXAMPLES.open("rb") as file:
        await capture.import_csv(file, LOCAL, None, lambda: False)
    schema = parse(schema_text(LEAD_CAPTURED))
    rules = Rules(schema)
    for lead in await store.claim(1000):
        record = sdr.LeadCaptured(
            lead=sdr.Lead(lead_id=lead.lead_id, captured_at=datetime.now(UTC), **lead.details.model_dump())
        )
        _, body = unframe(encode(SchemaId(1), schema, record.model_dump()))
        rules.check(decode(body, schema))


def test_the_leads_are_varied(rows: list[dict[str, str]]) -> None:
    text = "".join(row["name"] + row["project_description"] for row in rows)
    scripts = {unicodedata.name(letter).split()[0] for letter in text if letter.isalpha()}
    assert scripts >= {
        "LATIN", "CYRILLIC", "GREEK", "ARABIC", "HEBREW", "DEVANAGARI", "THAI", "CJK", "HIRAGANA",
        "KATAKANA", "HANGUL", "TAMIL", "GEORGIAN", "ARMENIAN", "BENGALI", "KHMER",
    }  # fmt: skip
    descriptions = {row["project_description"] for row in rows} - {""}
    assert len(descriptions) >= 80
    assert len({row["lead_source"] for row in rows}) >= 8
    assert len({row["email"] for row in rows}) == len(rows)
    assert any(not row["company_website"] for row in rows)
    assert any(not row["project_description"] for row in rows)
    assert max(map(len, descriptions)) > 2000
    assert any("\n\n" in description for description in descriptions)


def test_nobody_in_the_examples_can_exist(rows: list[dict[str, str]]) -> None:
    reserved = (".example", ".example.com", ".example.org", ".example.net")
    for row in rows:
        domain = "." + row["email"].rpartition("@")[2]
        assert domain.endswith(reserved), row["email"]
