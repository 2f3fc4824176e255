import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lead_capture.lead import CapturedLead, read_submission
from lead_capture.sql_store import SqlLeadStore
from signalbox.protocol.errors import ConfigurationError, Unavailable
from signalbox.protocol.names import LeadId

NOW = datetime(2031, 5, 6, 7, 8, 9, 123000, UTC)

AS_BEFORE_LEASES = """
CREATE TABLE leads (position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, lead_id VARCHAR(100) NOT NULL UNIQUE,
    details JSON NOT NULL, captured_ms BIGINT NOT NULL, published_ms BIGINT);
INSERT INTO leads (lead_id, details, captured_ms) VALUES ('old', '{"name": "Ada", "email": "a@b.example",
    "company_name": "B", "job_title": "C", "lead_source": "x", "company_website": null,
    "project_description": null}', 1);
"""


def lead(lead_id: str, name: str = "Ada") -> CapturedLead:
    fields = {
        "name": name,
        "email": "a@b.example",
        "company_name": "B",
        "job_title": "CTO",
        "lead_source": "x",
    }
    return CapturedLead(LeadId(lead_id), read_submission(fields).details(), NOW)


async def test_a_store_that_is_broken_is_unavailable_without_personal_data_in_the_error(
    store: SqlLeadStore,
) -> None:
    with store._engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE leads")
    with pytest.raises(Unavailable) as raised:
        await store.add([lead("a", "Secret Name")])
    assert "Secret Name" not in str(raised.value)


async def test_the_leads_folder_is_for_this_user_alone(store: SqlLeadStore, tmp_path: Path) -> None:
    assert (tmp_path / "lead_capture").stat().st_mode & 0o077 == 0


async def test_a_store_that_was_made_before_there_were_leases_is_brought_up_to_date(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "leads.db")) as database:
        database.executescript(AS_BEFORE_LEASES)
    for _ in range(2):
        store = SqlLeadStore(f"sqlite:///{tmp_path / 'leads.db'}")
        assert [one.lead_id for one in await store.claim(10)] == ["old"]
        await store.close()


@pytest.mark.parametrize(
    "url", ["no url", "nosuch://u:geheim@h/db", "sqlite+nosuch:///x", "pg:geheim@@@:x:/y"]
)
async def test_a_url_that_names_no_database_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match="LEAD_STORE_URL") as raised:
        SqlLeadStore(url)
    assert "geheim" not in str(raised.value)
