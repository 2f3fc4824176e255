"""Where a field is written, and how a finding is shown there in a pull request."""

import json
from pathlib import Path
from typing import Any

import pytest

from signalbox.protocol.names import RecordType
from signalbox_operations.contracts.annotations import annotation
from signalbox_operations.contracts.places import place_of
from signalbox_operations.contracts.sources import Sources
from signalbox_operations.contracts.verdict import CompatibilityFinding, Severity

ORDER = RecordType("shop.Order")
ITEM = {"type": "record", "name": "Item", "namespace": "shop", "fields": [{"name": "count", "type": "int"}]}
INLINE = {"type": "record", "name": "Box", "fields": [{"name": "size", "type": "int"}]}
DEFINITION = {
    "type": "record",
    "name": "Order",
    "namespace": "shop",
    "fields": [
        {"name": "items", "type": {"type": "array", "items": "shop.Item"}},
        {"name": "box", "type": ["null", INLINE]},
        {"name": "next", "type": ["null", "shop.Order"]},
    ],
}


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sources:
    for name, definition in (("Order", DEFINITION), ("Item", ITEM)):
        path = tmp_path / "avro" / "shop" / f"{name}.avsc"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(definition, indent=1), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return Sources.load(Path("avro"))


def written(path: Path, line: int) -> Any:
    return path.read_text(encoding="utf-8").splitlines()[line - 1 : line + 1]


@pytest.mark.parametrize(
    ("field", "file", "said"),
    [
        ("items", "Order.avsc", '"name": "items"'),
        ("items[].count", "Item.avsc", '"name": "count"'),
        ("box.size", "Order.avsc", '"name": "size"'),
        ("box.gone", "Order.avsc", '"name": "box"'),
        ("next.items", "Order.avsc", '"name": "next"'),
        ("gone", "Order.avsc", '"name": "Order"'),
        ("", "Order.avsc", '"name": "Order"'),
    ],
)
def test_a_field_is_found_in_the_file_that_it_is_written_in(
    sources: Sources, field: str, file: str, said: str
) -> None:
    path, position = place_of(sources, ORDER, field)
    assert path.name == file
    assert any(said in line for line in written(path, position.line))


def test_a_finding_is_one_line_with_its_place_and_keeps_its_own_signs(sources: Sources) -> None:
    finding = CompatibilityFinding(
        Severity.WARNS, "rule", "items", "100 % of it, a:b", "version 1", (), "Do."
    )
    assert annotation(ORDER, finding, sources) == (
        "::warning file=avro/shop/Order.avsc,line=6,col=3,title=shop.Order warns"
        "::warns: items: 100 %25 of it, a:b, against version 1%0A      Do."
    )
