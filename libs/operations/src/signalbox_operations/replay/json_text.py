"""A datum as the JSON text that a person edits, and what of the datum the text does not say.

JSON has fewer types than Avro, so the value that stood at a place is kept in hand: where the text is not
changed it is taken as it was, and elsewhere it says which branch of a union is meant.
"""

import json
from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any

from fastavro.validation import validate

from signalbox.avro.form import outline
from signalbox.avro.types import Node
from signalbox.protocol.printable import visible_json


def as_json(datum: object) -> str:
    """Write a datum, or a part of one, as indented JSON."""
    return visible_json(datum, indent=2, default=_plain)


def as_parsed(datum: object) -> Any:
    """Return a datum as the JSON of :func:`as_json` is parsed."""
    return json.loads(as_json(datum))


def same_json(one: Any, other: Any) -> bool:
    """Tell whether two values of parsed JSON say the same; to Python, ``1`` and ``true`` would be equal."""
    return _text_of(one) == _text_of(other)


class EarlierItems:
    """The items that stood in a list; each is found by what it says, wherever it is, or by its place."""

    def __init__(self, before: Any) -> None:
        self._items = before if isinstance(before, list) else []
        self._by_text = {_text_of(as_parsed(item)): item for item in self._items}

    def of(self, index: int, value: Any) -> Any:
        """Return the item that ``value``, now at ``index``, was; None when there is none."""
        at_its_place = self._items[index] if index < len(self._items) else None
        return self._by_text.get(_text_of(value), at_its_place)


def likely_first(branches: Sequence[Node], value: Any, before: Any) -> list[Node]:
    """Order a union's branches: that of the value before, the whole numbers for one, then as declared."""
    whole = isinstance(value, int) and not isinstance(value, bool)

    def unlikely(branch: Node) -> tuple[bool, bool]:
        another = before is None or not validate(before, outline(branch), raise_errors=False)
        return another, whole and branch.kind in {"float", "double"}

    return sorted(branches, key=unlikely)


def _text_of(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _plain(value: object) -> str:
    match value:
        case datetime() | date() | time():
            return value.isoformat()
        case bytes():
            return value.decode("latin-1")
        case _:
            return str(value)
