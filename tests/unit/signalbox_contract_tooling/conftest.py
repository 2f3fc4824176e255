"""A small set of contracts in a folder of its own, which each test changes as it likes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from signalbox.catalog import Catalog

CATALOG = """
version: 1
namespaces: {shop: Orders.}
records:
  shop.Placed: {doc: An order., owner: shop, producers: [till], consumers: [kitchen]}
topics:
  orders: {partitions: 1, admits: [shop.Placed]}
"""

PLACED: dict[str, Any] = {
    "type": "record",
    "name": "Placed",
    "namespace": "shop",
    "doc": "An order was placed.",
    "fields": [
        {"name": "order_id", "type": "string", "doc": "Its id."},
        {"name": "note", "type": ["null", "string"], "doc": "A wish.", "default": None},
    ],
}


@pytest.fixture
def placed() -> dict[str, Any]:
    return json.loads(json.dumps(PLACED))


@pytest.fixture
def contracts(tmp_path: Path) -> Callable[..., Catalog]:
    """Write the catalog and the given definitions, by ``namespace/Name``; a text is written as it is."""

    def written(catalog: str = CATALOG, **definitions: Any) -> Catalog:
        (tmp_path / "catalog.yaml").write_text(catalog, encoding="utf-8")
        for name, definition in definitions.items():
            path = tmp_path / "avro" / f"{name.replace('__', '/')}.avsc"
            path.parent.mkdir(parents=True, exist_ok=True)
            text = definition if isinstance(definition, str) else json.dumps(definition, indent=2)
            path.write_text(text, encoding="utf-8")
        return Catalog.load(tmp_path / "catalog.yaml")

    return written
