"""Lint rules on the catalog and all sources together."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from signalbox.catalog import Catalog
from signalbox.protocol.names import READER_GROUPS, RecordType
from signalbox_operations.contracts.located_json import Path as JsonPath
from signalbox_operations.contracts.located_json import Position
from signalbox_operations.contracts.schema_walk import types
from signalbox_operations.contracts.sources import Source, Sources, full_name

_START = Position(1, 1)


@dataclass(frozen=True, slots=True)
class CatalogProblem:
    """Something is wrong with a source at ``path``, or with an entry of the catalog (``keys``)."""

    message: str
    hint: str
    source: Source | None = None
    keys: tuple[str, ...] = ()
    path: JsonPath = ("name",)

    def place(self, places: "CatalogPlaces") -> tuple[Path, Position]:
        """Return the file and the place in it."""
        if self.source is not None:
            return self.source.path, self.source.document.position(self.path)
        return places.path, places.position(self.keys)


class CatalogPlaces:
    """Where the entries of ``catalog.yaml`` are."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)

    def position(self, keys: tuple[str, ...]) -> Position:
        """Return where the entry ``keys`` begins; the nearest one around it when it is not there."""
        node, position = self._root, _START
        for key in keys:
            pairs = node.value if isinstance(node, yaml.MappingNode) else []
            found = next(((name, value) for name, value in pairs if name.value == key), None)
            if found is None:
                break
            position = Position(found[0].start_mark.line + 1, found[0].start_mark.column + 1)
            node = found[1]
        return position


def namespace_is_listed(catalog: Catalog, sources: Sources) -> Iterator[CatalogProblem]:
    for name, source in sources.items():
        namespace = _namespace(name)
        if namespace not in catalog.namespaces:
            hint = "Move the file into a listed namespace, or list this one with what it holds."
            yield CatalogProblem(f"the catalog has no namespace {namespace!r}", hint, source)


def record_has_source(catalog: Catalog, sources: Sources) -> Iterator[CatalogProblem]:
    for name in catalog.records:
        if name not in sources:
            hint = f"Write contracts/avro/{name.replace('.', '/')}.avsc, or drop the entry."
            yield CatalogProblem(f"{name} has no source", hint, keys=("records", name))
        elif not _is_record(sources[name]):
            hint = "Only a record can be a message: put the type into one."
            yield CatalogProblem(f"{name} is no record", hint, keys=("records", name))


def record_is_owned(catalog: Catalog, sources: Sources) -> Iterator[CatalogProblem]:
    used = {name for source in sources.values() for name in _names(source)}
    for name, source in sources.items():
        if name not in catalog.records and name not in used:
            hint = f"List {name} under records: with doc, owner and, if need be, compatibility."
            yield CatalogProblem(f"{name} has no owner and no compatibility level", hint, source)


def record_is_admitted(catalog: Catalog, sources: Sources) -> Iterator[CatalogProblem]:
    for name in catalog.records:
        if not any(name in topic.admits for topic in catalog.topics.values()):
            hint = "Add it to the admits: of the topic that carries it."
            yield CatalogProblem(f"no topic admits {name}", hint, keys=("records", name))


def client_uses_known_topics(catalog: Catalog, _: Sources) -> Iterator[CatalogProblem]:
    for name, client in catalog.clients.items():
        for part, topics in (("reads", client.reads), ("writes", client.writes)):
            for unknown in (topic for topic in topics if topic not in catalog.topics):
                hint = "Name a topic of topics:, or the <topic>_dlt of one with dead_letters."
                keys = ("clients", name, part)
                yield CatalogProblem(f"{name} {part} {unknown}, which is no topic", hint, keys=keys)


def producer_writes_its_topic(catalog: Catalog, _: Sources) -> Iterator[CatalogProblem]:
    if not catalog.clients:
        return
    for record_type, entry in catalog.records.items():
        carriers = [name for name in catalog.topics if catalog.admits(name, record_type)]
        for producer in entry.producers:
            client = catalog.clients.get(producer)
            if client is None or not set(client.writes) & set(carriers):
                message = f"{producer} produces {record_type}, but writes no topic that admits it"
                hint = f"Let clients: {producer}: writes: name one of {', '.join(carriers) or 'them'}."
                yield CatalogProblem(message, hint, keys=("records", record_type, "producers"))


def group_is_no_readers(catalog: Catalog, _: Sources) -> Iterator[CatalogProblem]:
    for name, client in catalog.clients.items():
        for part, prefixes in (("groups", client.groups), ("transactional_ids", client.transactional_ids)):
            if "" in prefixes or (part == "groups" and READER_GROUPS in prefixes):
                hint = "An empty prefix is everybody's; what reads without a group has its prefix already."
                keys = ("clients", name, part)
                yield CatalogProblem(f"{name} has {part} that are not its own", hint, keys=keys)


def namespace_stands_alone(catalog: Catalog, sources: Sources) -> Iterator[CatalogProblem]:
    for name, source in sources.items():
        for other in sorted(_names(source)):
            if _namespace(other) != _namespace(name):
                hint = "Each namespace becomes a module of its own; define the type in this namespace too."
                yield CatalogProblem(f"{name} uses {other} of another namespace", hint, source)


def _namespace(name: str) -> str:
    return name.rpartition(".")[0]


def _names(source: Source) -> set[RecordType]:
    """Return the sources that this one refers to, by the look of it: names with a dot."""
    own = full_name(source.definition) if isinstance(source.definition, dict) else ""
    written = (here.schema for here in types(source.definition) if isinstance(here.schema, str))
    return {RecordType(name) for name in written if "." in name and name != own}


def _is_record(source: Source) -> bool:
    return isinstance(source.definition, dict) and source.definition.get("type") == "record"
