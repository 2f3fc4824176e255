"""A random contract that lint finds good makes models that can be imported and bring every datum back."""

import itertools
import json
import sys
import types
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from signalbox.avro import ParsedSchema, decode, encode, parse, unframe
from signalbox.catalog import Catalog
from signalbox.gate.rules import Rules
from signalbox.protocol.names import RecordType, SchemaId
from signalbox_agent.own_contract import OwnContract
from signalbox_operations.contracts.generation import generate
from signalbox_operations.contracts.lint import lint

from .conftest import CATALOG

NUMBERS = itertools.count()
PLACED = RecordType("shop.Placed")
NAMES = [
    *(
        "seen_at",
        "date",
        "datetime",
        "time",
        "class",
        "from",
        "import",
        "int",
        "str",
        "bytes",
        "float",
        "bool",
    ),
    *("list", "dict", "uuid", "decimal", "field", "model_config", "model_fields", "copy", "json", "schema"),
    *(
        "validate",
        "size",
        "none",
        "self",
        "type",
        "id",
        "hash",
        "model_dump",
        "annotated",
        "enum",
        "part",
        "code",
    ),
]
SYMBOLS = ["BIG", "NONE", "TRUE", "MRO", "NAME", "VALUE", "UNKNOWN"]


def logical(base: str, name: str, **more: int) -> dict[str, Any]:
    return {"type": base, "logicalType": name, **more}


def named(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "name": f"T{next(NUMBERS)}", "doc": "A type.", **more}


MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1))
Kind = tuple[dict[str, Any] | str, st.SearchStrategy[Any]]
"""A type, and the data of it."""


def fixed(size: int, name: str = "") -> Kind:
    more = {"logicalType": name} if name else {}
    return named("fixed", size=size, **more), st.binary(min_size=size, max_size=size)


def decimals(schema: dict[str, Any]) -> Kind:
    return schema, st.decimals(Decimal(-99999), Decimal(99999), places=2)


LEAVES = st.sampled_from(
    [
        lambda: ("string", st.text(max_size=4)),
        lambda: ("bytes", st.binary(max_size=4)),
        lambda: ("boolean", st.booleans()),
        lambda: ("int", st.integers(-(2**31), 2**31 - 1)),
        lambda: ("long", st.integers(-(2**63), 2**63 - 1)),
        lambda: ("float", st.floats(width=32, allow_nan=False)),
        lambda: ("double", st.floats(allow_nan=False)),
        lambda: (logical("int", "date"), st.dates()),
        lambda: (logical("int", "time-millis"), st.times().map(lambda t: t.replace(microsecond=0))),
        lambda: (logical("long", "time-micros"), st.times()),
        lambda: (logical("long", "timestamp-micros"), MOMENTS.map(lambda m: m.replace(tzinfo=UTC))),
        lambda: (logical("long", "timestamp-nanos"), st.integers(0, 2**60)),
        lambda: (logical("long", "local-timestamp-micros"), MOMENTS),
        lambda: (logical("string", "uuid"), st.uuids()),
        lambda: (logical("string", "colour"), st.text(max_size=4)),
        lambda: decimals(logical("bytes", "decimal", precision=9, scale=2)),
        lambda: decimals(named("fixed", size=8, logicalType="decimal", precision=9, scale=2)),
        lambda: fixed(4),
        lambda: fixed(16, "uuid"),
        lambda: fixed(12, "duration"),
        lambda: (named("enum", symbols=SYMBOLS, default="UNKNOWN"), st.sampled_from(SYMBOLS)),
    ]
).map(lambda made: made())


def holding(inner: st.SearchStrategy[Kind]) -> st.SearchStrategy[Kind]:
    lists = inner.map(lambda k: ({"type": "array", "items": k[0]}, st.lists(k[1], max_size=2)))
    maps = inner.map(
        lambda k: ({"type": "map", "values": k[0]}, st.dictionaries(st.text(max_size=3), k[1], max_size=2))
    )
    return lists | maps | records(inner, lambda: f"T{next(NUMBERS)}")


@st.composite
def records(draw: st.DrawFn, inner: st.SearchStrategy[Kind], name: Any) -> Kind:
    given_fields, data = [], {}
    for field in draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True)):
        schema, values = draw(inner)
        optional = draw(st.booleans())
        more = {"type": ["null", schema], "default": None} if optional else {"type": schema}
        given_fields.append({"name": field, "doc": "A field.", **more})
        data[field] = st.none() | values if optional else values
    schema = {"type": "record", "name": name(), "doc": "A record.", "fields": given_fields}
    return schema, st.fixed_dictionaries(data)


CONTRACTS = records(st.recursive(LEAVES, holding, max_leaves=6), lambda: "Placed")


def imported(catalog: Catalog) -> type[BaseModel]:
    source = next(text for path, text in generate(catalog).items() if path.name == "shop.py")
    module = types.ModuleType(f"generated_{next(NUMBERS)}")
    sys.modules[module.__name__] = module
    try:
        exec(compile(source, module.__name__, "exec"), module.__dict__)
        model: type[BaseModel] = module.Placed
        model.model_json_schema()
    finally:
        del sys.modules[module.__name__]
    return model


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(CONTRACTS, st.data())
def test_a_random_contract_is_linted_generated_imported_and_brought_back(
    tmp_path_factory: pytest.TempPathFactory, kind: Kind, data: st.DataObject
) -> None:
    definition = {"namespace": "shop", **dict(kind[0])}
    catalog = written(tmp_path_factory.mktemp("contracts"), definition)
    faults = {finding.rule for finding in lint(catalog)} - {"SB008"}  # names of times are chosen at random
    assert faults == set()
    model, schema = imported(catalog), parse(json.dumps(definition))
    contract = OwnContract(PLACED, 1, SchemaId(1), schema, Rules(schema), model)
    for datum in (data.draw(kind[1]) for _ in range(5)):
        value = encode(SchemaId(1), schema, datum)
        assert contract.encode(model.model_validate(read(value, schema))) == value


def read(value: bytes, schema: ParsedSchema) -> dict[str, Any]:
    return decode(unframe(value)[1], schema)


def written(folder: Path, definition: dict[str, Any]) -> Catalog:
    (folder / "avro" / "shop").mkdir(parents=True)
    (folder / "avro" / "shop" / "Placed.avsc").write_text(json.dumps(definition), encoding="utf-8")
    (folder / "catalog.yaml").write_text(CATALOG, encoding="utf-8")
    return Catalog.load(folder / "catalog.yaml")
