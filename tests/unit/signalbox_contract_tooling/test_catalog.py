"""The catalog: what it answers, and how it tells of its mistakes."""

from pathlib import Path

import pytest

from signalbox.catalog import Catalog
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import RecordType

from .conftest import CATALOG

PLACED = RecordType("shop.Placed")


def load(tmp_path: Path, text: str) -> Catalog:
    path = tmp_path / "catalog.yaml"
    path.write_text(text, encoding="utf-8")
    return Catalog.load(path)


def test_a_topic_admits_what_it_lists_and_nothing_else(tmp_path: Path) -> None:
    catalog = load(tmp_path, CATALOG)
    assert catalog.admits("orders", PLACED)
    assert not catalog.admits("orders", RecordType("shop.Other"))
    assert not catalog.admits("elsewhere", PLACED)


def test_a_record_takes_the_catalogs_level_unless_it_has_its_own(tmp_path: Path) -> None:
    assert load(tmp_path, CATALOG).records[PLACED].compatibility == "FULL_TRANSITIVE"
    lower = CATALOG.replace("version: 1", "version: 1\ncompatibility: BACKWARD")
    assert load(tmp_path, lower).records[PLACED].compatibility == "BACKWARD"
    own = lower.replace("owner: shop", "owner: shop, compatibility: FULL")
    assert load(tmp_path, own).records[PLACED].compatibility == "FULL"


def test_a_topic_with_dead_letters_brings_their_topic_with_as_many_partitions(tmp_path: Path) -> None:
    text = CATALOG.replace("partitions: 1", "partitions: 3, retention: 72h, dead_letters: true")
    topics = load(tmp_path, text).topics
    assert set(topics) == {"orders", "orders_dlt"}
    assert topics["orders_dlt"].partitions == 3
    assert topics["orders"].configuration() == {
        "cleanup.policy": "delete",
        "retention.ms": "259200000",
        "max.message.bytes": "4194304",
    }


def test_a_dead_letter_topic_takes_its_sources_largest_record_and_64_kib_of_headers(tmp_path: Path) -> None:
    text = CATALOG.replace("partitions: 1", "partitions: 3, dead_letters: true, max_message_bytes: 1000000")
    topics = load(tmp_path, text).topics
    assert topics["orders_dlt"].max_message_bytes == 1_000_000 + 64 * 1024


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (CATALOG.replace("owner: shop", "owner: ''"), "records.shop.Placed.owner"),
        (CATALOG.replace("partitions: 1", "partitions: 0"), "topics.orders.partitions"),
        (CATALOG.replace("partitions: 1", "partitions: 1, retention: 3 weeks"), "3 weeks"),
        (CATALOG.replace("partitions: 1", "partitions: 1, colour: red"), "topics.orders.colour"),
        (CATALOG.replace("[shop.Placed]", "[shop.Lost]"), "shop.Lost"),
        (CATALOG.replace("{shop: Orders.}", "{}"), "shop.Placed"),
        ("a: [", "not YAML"),
    ],
)
def test_a_mistake_is_told_with_its_place(wrong: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(tmp_path, wrong)
    assert told in str(refused.value)
    assert "catalog.yaml" in str(refused.value)


def test_the_catalog_is_found_from_a_folder_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CATALOG", raising=False)
    (tmp_path / "contracts").mkdir()
    load(tmp_path / "contracts", CATALOG)
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    assert Catalog.load().path == tmp_path / "contracts" / "catalog.yaml"


def test_the_environment_names_the_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load(tmp_path, CATALOG)
    monkeypatch.setenv("CATALOG", str(tmp_path / "catalog.yaml"))
    assert Catalog.load().record(PLACED) is not None


def test_no_catalog_anywhere_says_how_to_name_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CATALOG", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match="set CATALOG"):
        Catalog.load()
