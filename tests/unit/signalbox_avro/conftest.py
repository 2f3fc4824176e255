import json
from collections.abc import Callable
from typing import Any

import pytest

from signalbox.avro import ParsedSchema, parse

Schema = Callable[..., ParsedSchema]


@pytest.fixture(scope="session")
def schema() -> Schema:
    """Makes the schema of a record ``t.R`` with the fields that are given by name and type."""

    def make(*fields: dict[str, Any], name: str = "R", **types: Any) -> ParsedSchema:
        declared = [*fields, *({"name": field, "type": kind} for field, kind in types.items())]
        return parse(json.dumps({"type": "record", "name": name, "namespace": "t", "fields": declared}))

    return make
