"""The lint rule that knows the past: a field that is added has a default.

The past is the schemas that the last commit generated; without git, those that lie beside the sources. Where
the registered versions are given, too, a change that was committed already is found as well.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import Any

from signalbox.catalog import Catalog
from signalbox.protocol.errors import ConfigurationError
from signalbox_operations.contracts.earlier import Earlier, InGit
from signalbox_operations.contracts.generation import schema_file
from signalbox_operations.contracts.lint_catalog import CatalogProblem
from signalbox_operations.contracts.schema_walk import fields, types
from signalbox_operations.contracts.sources import Sources


def added_field_has_default(catalog: Catalog, sources: Sources) -> Iterator[CatalogProblem]:
    yield from _without_default(sources, _fields_of(_texts_before(catalog)))


def registered_field_has_default(
    catalog: Catalog, sources: Sources, registered: Earlier
) -> Iterator[CatalogProblem]:
    """Hold the sources against every registered version of each record type.

    Raises:
        Unavailable, ConfigurationError: as ``registered``.
    """
    versions = [registered.versions(name) for name in sorted(catalog.records)]
    for texts in zip_longest(*versions):  # the first version of each, the second of each, …
        yield from _without_default(sources, _fields_of(one.text for one in texts if one))


def _without_default(sources: Sources, before: Mapping[str, set[str]]) -> Iterator[CatalogProblem]:
    for source in sources.values():
        for field in fields(source.definition):
            known = before.get(field.record)
            if known is not None and field.name not in known and "default" not in field.field:
                hint = 'Add a default, such as "default": null of an optional type: older messages lack it.'
                message = f"the field {field.name} was added to {field.record} without a default"
                yield CatalogProblem(message, hint, source, path=field.path)


def _fields_of(texts: Iterable[str]) -> dict[str, set[str]]:
    """Return the names of the fields that each record had, by its full name."""
    found: dict[str, set[str]] = {}
    for text in texts:
        for here in types(json.loads(text)):
            if here.kind == "record" and (name := here.defines):
                found[name] = _names(here.schema)
    return found


def _names(record: Any) -> set[str]:
    return {str(field.get("name")) for field in record.get("fields", ())}


def _texts_before(catalog: Catalog) -> list[str]:
    try:
        committed = InGit("HEAD", catalog)
        return [version.text for name in catalog.records for version in committed.versions(name)]
    except ConfigurationError:
        generated = (schema_file(catalog, name) for name in catalog.records)
        return [path.read_text(encoding="utf-8") for path in generated if path.is_file()]
