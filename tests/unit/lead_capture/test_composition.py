from pathlib import Path

import pytest
from pydantic import SecretStr

from lead_capture.composition import open_store
from lead_capture.mongo_store import MongoLeadStore
from lead_capture.settings import LeadCaptureSettings
from lead_capture.sql_store import SqlLeadStore
from signalbox.protocol.errors import ConfigurationError, Unavailable
from signalbox.protocol.names import LeadId


def settings(url: str) -> LeadCaptureSettings:
    return LeadCaptureSettings(lead_store_url=SecretStr(url))


async def test_the_url_says_which_store_it_is(tmp_path: Path) -> None:
    stores = {
        SqlLeadStore: open_store(settings(f"sqlite:///{tmp_path / 'leads.db'}")),
        MongoLeadStore: open_store(settings("mongodb://127.0.0.1:1/crm")),
    }
    for kind, store in stores.items():
        assert type(store) is kind
    await stores[SqlLeadStore].close()


def test_the_url_may_stand_in_a_secret_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "url"
    secret.write_text("mongodb://leads:geheim@db.example/crm\n")
    monkeypatch.setenv("LEAD_STORE_URL_FILE", str(secret))
    found = LeadCaptureSettings()
    assert found.store_url() == "mongodb://leads:geheim@db.example/crm"
    assert "geheim" not in f"{found!r} {found} {found.model_dump_json()}"


@pytest.mark.parametrize(
    "url", ["mongodb://u:ge/heim@h/db", "mongodb://u:ge:heim@h", "mongodb://u:geheim@h:port", "mongodb://"]
)
def test_a_mongodb_url_that_can_not_be_used_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match="LEAD_STORE_URL") as raised:
        open_store(settings(url))
    assert "heim" not in str(raised.value)


async def test_a_mongodb_that_is_away_is_named_without_its_credentials() -> None:
    store = open_store(settings("mongodb://leads:geheim@127.0.0.1:1/crm?timeoutMS=200"))
    with pytest.raises(Unavailable, match="lead store is unavailable: MongoDB does not answer") as raised:
        await store.state(LeadId("a"))
    assert "geheim" not in f"{raised.value!r} {raised.value}"
    await store.close()
