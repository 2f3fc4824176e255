"""A new contract: its source passes lint, and the catalog keeps its comments and layout."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from signalbox.catalog import Catalog
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import RecordType
from signalbox_operations.contracts.lint import lint
from signalbox_operations.contracts.skeleton import NewContract, create

from .conftest import CATALOG

COMMITTED = Path(__file__).resolve().parents[3] / "contracts"
MEETING = NewContract(RecordType("sdr.MeetingBooked"), "campaigns", "A meeting was booked.")


@pytest.fixture
def committed(tmp_path: Path) -> Catalog:
    """A copy of the committed contracts."""
    shutil.copytree(COMMITTED / "avro", tmp_path / "avro")
    shutil.copy(COMMITTED / "catalog.yaml", tmp_path)
    return Catalog.load(tmp_path / "catalog.yaml")


def test_a_new_contract_passes_lint_as_it_is(committed: Catalog) -> None:
    create(MEETING, committed)
    again = Catalog.load(committed.path)
    assert lint(again) == []
    assert again.admits("agent_messages", MEETING.record_type)


def test_the_catalog_only_gets_lines_and_loses_none(committed: Catalog) -> None:
    before = committed.path.read_text(encoding="utf-8").splitlines()
    create(MEETING, committed)
    after = committed.path.read_text(encoding="utf-8").splitlines()
    gone = [line for line in before if line not in after]
    assert [line.strip().partition(":")[0] for line in gone] == ["admits"]
    entry = after.index("  sdr.MeetingBooked:")
    assert after[entry + 1 : entry + 3] == ["    doc: A meeting was booked.", "    owner: campaigns"]
    assert after[entry - 1].startswith("    ")  # behind the last record of its namespace


@pytest.mark.parametrize(
    "catalog",
    [
        CATALOG,
        CATALOG.rstrip(),
        CATALOG.replace("admits: [shop.Placed]}", "admits:\n      [shop.Placed]}  # what it carries"),
        """
version: 1
namespaces: {shop: Orders.}
topics:
  orders:
    partitions: 1
    admits:  # by name
    - shop.Placed
records:
  shop.Placed:
    doc: An order.   # one
    owner: shop

    # a comment inside
    producers: [till]
# the end
""",
    ],
)
def test_every_layout_of_the_catalog_can_be_extended(
    catalog: str, contracts: Callable[..., Catalog], placed: dict[str, object]
) -> None:
    written = contracts(catalog, shop__Placed=placed)
    new = NewContract(RecordType("shop.Paid"), "till: one", 'It was "paid": all of it.', "orders")
    create(new, written)
    again = Catalog.load(written.path)
    assert again.records[new.record_type].owner == "till: one"
    assert again.topics["orders"].admits == ("shop.Placed", "shop.Paid")
    comments = [line.partition("#")[2] for line in catalog.splitlines() if "#" in line]
    assert all(comment in written.path.read_text(encoding="utf-8") for comment in comments)


@pytest.mark.parametrize(
    ("name", "topic", "told"),
    [
        ("Meeting", "orders", "name it like"),
        ("shop.meeting", "orders", "name it like"),
        ("shop.Placed", "orders", "there already"),
        ("other.Meeting", "orders", "no namespace 'other'; there are shop"),
        ("shop.Meeting", "nowhere", "no topic 'nowhere'; there are orders"),
    ],
)
def test_what_can_not_be_made_is_refused_and_nothing_is_written(
    name: str, topic: str, told: str, contracts: Callable[..., Catalog], placed: dict[str, object]
) -> None:
    written = contracts(shop__Placed=placed)
    with pytest.raises(ConfigurationError, match=told):
        create(NewContract(RecordType(name), "shop", "It happened.", topic), written)
    assert written.path.read_text(encoding="utf-8") == CATALOG
    assert [path.name for path in (written.directory / "avro" / "shop").iterdir()] == ["Placed.avsc"]
    assert json.loads((written.directory / "avro" / "shop" / "Placed.avsc").read_text()) == placed
