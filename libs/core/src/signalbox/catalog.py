"""The catalog: who owns each contract, how it may change, and which topic admits it.

``contracts/catalog.yaml`` is the source; this module reads it into checked values.
"""

import os
import re
from collections.abc import Iterator
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from signalbox.protocol.dead_letters import DEAD_LETTER_ROOM_BYTES
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import RecordType, dead_letter_topic

DEAD_LETTER_RETENTION_MS: Final = 30 * 24 * 3_600_000
MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024
"""Routes carry a whole message and more, so topics take more than the gate lets in."""

_YAML: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, where PyYAML was built with it: each process and each command reads the catalog as it starts."""
_CATALOG: Final = Path("contracts/catalog.yaml")
_DURATION: Final = re.compile(r"(\d+)(ms|s|m|h|d)")
_UNIT_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class Compatibility(StrEnum):
    """The registry's compatibility levels.

    Source: Confluent Schema Registry, *Schema Evolution and Compatibility*.
    """

    NONE = "NONE"
    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"

    @property
    def transitive(self) -> bool:
        """Whether all earlier versions count, not only the last one."""
        return self.endswith("_TRANSITIVE")

    @property
    def backward(self) -> bool:
        """Whether the new version must read what earlier versions wrote."""
        return self.startswith(("BACKWARD", "FULL"))

    @property
    def forward(self) -> bool:
        """Whether earlier versions must read what the new version writes."""
        return self.startswith(("FORWARD", "FULL"))


def _milliseconds(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value)
    if match is None:
        raise ValueError(f"{value!r} is no duration; write it as 30d, 72h, 15m, 10s or 500ms")
    return int(match[1]) * _UNIT_MS[match[2]]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class CatalogRecord(_Entry):
    """A record type that travels on its own. ``producers`` and ``consumers`` are service names."""

    doc: str = Field(min_length=1)
    owner: str = Field(min_length=1)
    compatibility: Compatibility = Compatibility.FULL_TRANSITIVE
    terminal: bool = False
    producers: tuple[str, ...] = ()
    consumers: tuple[str, ...] = ()


class CatalogNamespace(_Entry):
    """A namespace: what it holds, and the folder of the package that is generated from it alone.

    Without a ``package`` its models and schemas are part of the one package of all such namespaces.
    """

    doc: str
    package: str = ""


def _namespace(value: Any) -> Any:
    return {"doc": value} if isinstance(value, str) else value


class CatalogTopic(_Entry):
    """A topic. ``retention_ms`` is in milliseconds, None keeps forever."""

    doc: str = ""
    partitions: int = Field(gt=0)
    retention_ms: Annotated[int | None, BeforeValidator(_milliseconds), Field(alias="retention", gt=0)] = None
    compacted: bool = False
    admits: tuple[RecordType, ...] = ()
    dead_letters: bool = False
    max_message_bytes: int = Field(MAX_MESSAGE_BYTES, gt=0)

    def configuration(self) -> dict[str, str]:
        """Write the topic's settings by Kafka's names."""
        return {
            "cleanup.policy": "compact" if self.compacted else "delete",
            "retention.ms": str(self.retention_ms if self.retention_ms is not None else -1),
            "max.message.bytes": str(self.max_message_bytes),
        }


class CatalogClient(_Entry):
    """Who connects to the brokers: the topics that it reads and writes by itself, dead letters' too.

    ``groups`` are prefixes of the consumer groups that it joins, ``transactional_ids`` of its transactions.
    """

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    transactional_ids: tuple[str, ...] = ()
    creates_topics: bool = False


class _Document(_Entry):
    version: int = Field(ge=1, le=1)
    namespaces: dict[str, Annotated[CatalogNamespace, BeforeValidator(_namespace)]]
    compatibility: Compatibility = Compatibility.FULL_TRANSITIVE
    records: dict[RecordType, CatalogRecord]
    topics: dict[str, CatalogTopic]
    clients: dict[str, CatalogClient] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _admits_only_what_it_lists(self) -> Self:
        for name, topic in self.topics.items():
            if unknown := [record for record in topic.admits if record not in self.records]:
                raise ValueError(f"topic {name} admits {', '.join(unknown)}, which records: does not list")
        if foreign := [name for name in self.records if name.rpartition(".")[0] not in self.namespaces]:
            raise ValueError(f"{', '.join(foreign)}: the namespace is not listed in namespaces:")
        return self


class Catalog:
    """The contracts and topics of the system. ``path`` is the file that it was read from."""

    def __init__(self, path: Path, document: _Document) -> None:
        self.path = path
        self._document = document

    @classmethod
    def load(cls, path: Path | str | None = None) -> Self:
        """Read the catalog: ``path``, else ``$CATALOG``, else ``contracts/catalog.yaml`` from here upward.

        Raises:
            ConfigurationError: it is not there or not right; the text says where and what.
        """
        found = Path(path) if path else cls.nearest()
        if found is None:
            here = Path.cwd()
            raise ConfigurationError(
                f"no {_CATALOG} in {here} or above it; set CATALOG to the catalog's path"
            )
        return cls(found, _read(found))

    @classmethod
    def empty(cls) -> Self:
        """Make a catalog that lists nothing, and belongs to no file."""
        return cls(Path(os.devnull), _Document(version=1, namespaces={}, records={}, topics={}))

    @staticmethod
    def nearest() -> Path | None:
        """Return the file that :meth:`load` reads when it is given none; None when there is none."""
        if named := os.environ.get("CATALOG"):
            return Path(named)
        here = Path.cwd()
        return next((at for folder in (here, *here.parents) if (at := folder / _CATALOG).is_file()), None)

    @property
    def directory(self) -> Path:
        """The folder of the contracts: ``avro/`` and ``src/`` are in it."""
        return self.path.parent

    @property
    def namespaces(self) -> dict[str, str]:
        """Namespace to what it holds."""
        return {name: entry.doc for name, entry in self._document.namespaces.items()}

    def package(self, namespace: str) -> Path:
        """Return the folder of the package with the generated models and schemas of ``namespace``."""
        own = self._document.namespaces[namespace].package
        return Path(os.path.normpath(self.directory / (own or "src/signalbox_contracts")))

    @cached_property
    def records(self) -> dict[RecordType, CatalogRecord]:
        """Each record type that travels on its own; the catalog's default compatibility is filled in."""
        default = self._document.compatibility
        return {
            name: entry
            if "compatibility" in entry.model_fields_set
            else entry.model_copy(update={"compatibility": default})
            for name, entry in self._document.records.items()
        }

    def record(self, record_type: RecordType) -> CatalogRecord | None:
        """Return the entry of ``record_type``, None when the catalog does not list it."""
        return self.records.get(record_type)

    @cached_property
    def topics(self) -> dict[str, CatalogTopic]:
        """Each topic by name, the derived dead letter topics too."""
        return dict(_with_dead_letters(self._document.topics))

    @property
    def clients(self) -> dict[str, CatalogClient]:
        """Each service and role that connects to the brokers."""
        return dict(self._document.clients)

    def admits(self, topic: str, record_type: RecordType) -> bool:
        """Say whether ``topic`` admits ``record_type``; a topic that is not listed admits nothing."""
        entry = self.topics.get(topic)
        return entry is not None and record_type in entry.admits


def _with_dead_letters(topics: dict[str, CatalogTopic]) -> Iterator[tuple[str, CatalogTopic]]:
    for name, topic in topics.items():
        yield name, topic
        if topic.dead_letters:
            yield (
                dead_letter_topic(name),
                CatalogTopic(
                    doc=f"What was refused from {name}, with its original bytes.",
                    partitions=topic.partitions,
                    retention_ms=DEAD_LETTER_RETENTION_MS,
                    max_message_bytes=topic.max_message_bytes + DEAD_LETTER_ROOM_BYTES,
                ),
            )


def _read(path: Path) -> _Document:
    try:
        return _Document.model_validate(yaml.load(path.read_text(encoding="utf-8"), _YAML))
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not YAML: {error}") from error
    except ValidationError as error:
        places = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'catalog'}: {problem['msg']}"
            for problem in error.errors()
        )
        raise ConfigurationError(f"{path}: {places}") from error
