"""The sources of the contracts: one named type a file, which may refer to each other by full name.

``contracts/avro/<namespace>/<Name>.avsc`` are written by people; `self_contained` makes of them what is
registered, where every type is written out at its first use.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import RecordType
from signalbox_operations.contracts.located_json import LocatedJson, LocatedJsonError, parse

PRIMITIVES: Final = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
NAMED: Final = frozenset({"record", "error", "enum", "fixed"})


@dataclass(frozen=True, slots=True)
class Source:
    """One source file; ``name`` is the full name that its path gives it."""

    name: RecordType
    path: Path
    text: str
    document: LocatedJson

    @property
    def definition(self) -> Any:
        """The type as it is written."""
        return self.document.value


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A source file that is no JSON."""

    path: Path
    error: LocatedJsonError


class Sources(Mapping[RecordType, Source]):
    """All sources by full name."""

    def __init__(self, sources: Mapping[RecordType, Source]) -> None:
        self._sources = dict(sources)

    @classmethod
    def load(cls, directory: Path) -> "Sources":
        """Read ``<directory>/<namespace>/<Name>.avsc``.

        Raises:
            ConfigurationError: a file is not JSON; `read` tells of all of them.
        """
        sources, unreadable = read(directory)
        for file in unreadable:
            place = file.error.position
            raise ConfigurationError(f"{file.path}:{place.line}:{place.column}: {file.error.problem}")
        return sources

    def __getitem__(self, name: RecordType) -> Source:
        return self._sources[name]

    def __iter__(self) -> Iterator[RecordType]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    def self_contained(self, name: RecordType) -> Any:
        """Write out the type ``name``: each other source at its first use, by full name afterwards.

        Raises:
            ConfigurationError: ``name`` is no source.
        """
        if name not in self._sources:
            raise ConfigurationError(f"{name}: there is no source for this record type")
        return _Writer(self._sources).write(name)

    def written_once(self, names: Iterable[RecordType]) -> Iterator[Any]:
        """Write out ``names`` one after the other, a type that was written before by its name only."""
        writer = _Writer(self._sources)
        return (written for name in names if isinstance(written := writer.write(name), dict))

    def schema_text(self, name: RecordType) -> str:
        """Return the text of ``name`` that is registered."""
        return json.dumps(self.self_contained(name), indent=2, ensure_ascii=False) + "\n"


def read(directory: Path) -> tuple[Sources, list[Unreadable]]:
    """Read all sources under ``directory``, and say which files are no JSON.

    Raises:
        ConfigurationError: there is no such folder, or a file can't be read.
    """
    if not directory.is_dir():
        raise ConfigurationError(f"{directory}: no folder of contract sources")
    sources: dict[RecordType, Source] = {}
    unreadable: list[Unreadable] = []
    for path in sorted(directory.rglob("*.avsc")):
        name = RecordType(".".join((*path.relative_to(directory).parent.parts, path.stem)))
        try:
            text = path.read_text(encoding="utf-8")
            sources[name] = Source(name, path, text, parse(text))
        except LocatedJsonError as error:
            unreadable.append(Unreadable(path, error))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{path}: {error}") from error
    return Sources(sources), unreadable


class _Writer:
    """Writes one self-contained type; remembers what was written out already."""

    def __init__(self, sources: Mapping[RecordType, Source]) -> None:
        self._sources = sources
        self._written: set[str] = set()

    def write(self, schema: Any) -> Any:
        match schema:
            case str():
                return self._named(schema)
            case list():
                return [self.write(branch) for branch in schema]
            case {"type": str(kind)} if kind in NAMED:
                return self._definition(schema)
            case dict():
                inner = {key: self.write(schema[key]) for key in ("type", "items", "values") if key in schema}
                return {**schema, **inner}
        return schema

    def _named(self, name: str) -> Any:
        source = self._sources.get(RecordType(name))
        if source is None or name in self._written:
            return name
        return self.write(source.definition)

    def _definition(self, schema: dict[str, Any]) -> dict[str, Any]:
        self._written.add(full_name(schema))
        if "fields" not in schema:
            return schema
        fields = [{**field, "type": self.write(field.get("type"))} for field in schema["fields"]]
        return {**schema, "fields": fields}


def full_name(schema: Mapping[str, Any], enclosing: str = "") -> str:
    """Return a named type's full name. Source: Apache Avro 1.12 specification, *Names*."""
    name = str(schema.get("name", ""))
    namespace = schema.get("namespace")
    namespace = enclosing if namespace is None else namespace
    return name if "." in name or not namespace else f"{namespace}.{name}"
