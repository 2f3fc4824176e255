"""Places in JSON, and agreement with Python's own parser on the values."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalbox_operations.contracts.located_json import LocatedJsonError, Position, parse

documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(documents, st.sampled_from([None, 0, 3]), st.booleans())
def test_values_are_those_that_the_standard_parser_gives(
    value: Any, indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert parse(text).value == json.loads(text)


def test_a_position_counts_lines_and_columns_from_one() -> None:
    document = parse('{\n  "a": [1,\n        {"ü": null}]\n}')
    assert document.position(()) == Position(1, 1)
    assert document.position(("a", 0)) == Position(2, 9)
    assert document.position(("a", 1, "ü")) == Position(3, 15)


def test_the_position_of_what_is_missing_is_that_of_what_surrounds_it() -> None:
    assert parse('\n {"a": 1}').position(("b", "c")) == Position(2, 2)


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("", 1, 1),
        ("{", 1, 2),
        ('{"a" 1}', 1, 6),
        ("[1,]", 1, 4),
        ('{"a": 1,}', 1, 9),
        ("[1] 2", 1, 5),
        ('["a\n"]', 1, 4),
        ("[01]", 1, 3),
        ("\n[tru]", 2, 2),
        ('{"a": 1, "a": 2}', 1, 10),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(text: str, line: int, column: int) -> None:
    with pytest.raises(LocatedJsonError) as refused:
        parse(text)
    assert refused.value.position == Position(line, column)


def test_deep_nesting_is_refused_instead_of_overflowing_the_stack() -> None:
    with pytest.raises(LocatedJsonError, match="nested deeper"):
        parse("[" * 100_000)
