"""A browsable page for each contract and an index: plain HTML with its style inside, no external assets."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from signalbox.catalog import Catalog, CatalogRecord
from signalbox.protocol.errors import Unavailable
from signalbox.protocol.names import RecordType, Subject
from signalbox_operations.contracts.described import Description, describe
from signalbox_operations.contracts.differences import differences
from signalbox_operations.contracts.registry_api import Registered, RegistryApi
from signalbox_operations.contracts.sources import Sources


@dataclass(frozen=True, slots=True)
class VersionDescription:
    """One registered version, and what it changed."""

    number: int
    schema_id: int
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """What one contract's page shows. ``versions`` is None where the registry could not be asked."""

    record_type: RecordType
    entry: CatalogRecord
    description: Description
    topics: tuple[str, ...]
    versions: tuple[VersionDescription, ...] | None
    schema_text: str

    @property
    def file(self) -> str:
        """The page's file name."""
        return f"{self.record_type}.html"


def write_pages(catalog: Catalog, registry: RegistryApi, folder: Path) -> tuple[Path, str]:
    """Write all pages; return the index, and why the versions are not known, empty where they are.

    Raises:
        ConfigurationError: a catalogued record has no source.
    """
    versions, unknown = _versions(catalog, registry)
    pages = list(_pages(catalog, versions))
    templates = Environment(
        loader=PackageLoader("signalbox_operations.contracts"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    folder.mkdir(parents=True, exist_ok=True)
    for page in pages:
        html = templates.get_template("contract.html").render(page=page, unknown=unknown)
        (folder / page.file).write_text(html, encoding="utf-8")
    index = folder / "index.html"
    shown: dict[str, Any] = {"pages": pages, "namespaces": catalog.namespaces, "topics": catalog.topics}
    index.write_text(templates.get_template("index.html").render(**shown), encoding="utf-8")
    return index, unknown


def _pages(catalog: Catalog, versions: Mapping[RecordType, list[Registered]] | None) -> list[Page]:
    sources = Sources.load(catalog.directory / "avro")
    return [
        Page(
            record_type=name,
            entry=entry,
            description=describe(json.loads(sources.schema_text(name))),
            topics=tuple(topic for topic in catalog.topics if catalog.admits(topic, name)),
            versions=_described(versions[name]) if versions is not None else None,
            schema_text=sources.schema_text(name),
        )
        for name, entry in sorted(catalog.records.items())
    ]


def _versions(
    catalog: Catalog, registry: RegistryApi
) -> tuple[dict[RecordType, list[Registered]] | None, str]:
    try:
        return {name: registry.versions(Subject(name)) for name in catalog.records}, ""
    except Unavailable as error:
        return None, str(error)


def _described(versions: list[Registered]) -> tuple[VersionDescription, ...]:
    earlier = [None, *versions]
    return tuple(
        VersionDescription(one.version, one.schema_id, _changes(before, one))
        for before, one in zip(earlier, versions, strict=False)
    )


def _changes(before: Registered | None, after: Registered) -> tuple[str, ...]:
    if before is None:
        return ("the first version",)
    found = differences(json.loads(before.text), json.loads(after.text))
    return tuple(f"{one.path or '(record)'}: {one.detail}" for one in found)
