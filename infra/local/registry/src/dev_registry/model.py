"""What the registry speaks of: submissions, stored versions, compatibility levels, modes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

GLOBAL = ""
"""The key under which the settings of all subjects are kept; no subject has an empty name."""

LATEST = -1


class Level(StrEnum):
    NONE = "NONE"
    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"


class Mode(StrEnum):
    READWRITE = "READWRITE"
    READONLY = "READONLY"
    IMPORT = "IMPORT"


@dataclass(frozen=True)
class Reference:
    """A schema that another one uses by name; ``name`` is for people, the names come from the text."""

    name: str
    subject: str
    version: int

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "subject": self.subject, "version": self.version}


@dataclass(frozen=True)
class Submission:
    """A schema as a client sent it. ``schema_id`` and ``version`` are wishes, allowed in IMPORT mode."""

    text: str
    schema_type: str = "AVRO"
    references: tuple[Reference, ...] = ()
    metadata: Mapping[str, Any] | None = None
    rule_set: Mapping[str, Any] | None = None
    schema_id: int | None = None
    version: int | None = None


@dataclass(frozen=True)
class StoredSchema:
    """A schema under its global id, with the text as it was sent first."""

    schema_id: int
    text: str
    references: tuple[Reference, ...] = ()
    metadata: Mapping[str, Any] | None = None
    rule_set: Mapping[str, Any] | None = None

    def as_json(self) -> dict[str, Any]:
        optional = {
            "references": [reference.as_json() for reference in self.references],
            "metadata": self.metadata,
            "ruleSet": self.rule_set,
        }
        return {"schema": self.text, **{key: value for key, value in optional.items() if value}}


@dataclass(frozen=True)
class StoredVersion:
    """One version of a subject."""

    subject: str
    version: int
    schema: StoredSchema
    deleted: bool = False

    def as_json(self) -> dict[str, Any]:
        names = {"subject": self.subject, "version": self.version, "id": self.schema.schema_id}
        return {**names, **self.schema.as_json(), **({"deleted": True} if self.deleted else {})}


@dataclass(frozen=True)
class Config:
    """The settings of a subject or of all; None where nothing was set."""

    level: Level | None = None
    normalize: bool | None = None

    def as_json(self, level_key: str) -> dict[str, Any]:
        values = {level_key: self.level, "normalize": self.normalize}
        return {key: value for key, value in values.items() if value is not None}


@dataclass(frozen=True)
class Seen:
    """Which versions a listing shows, and which part of the listing."""

    deleted: bool = False
    deleted_only: bool = False
    prefix: str = ""
    offset: int = 0
    limit: int = -1
    subject: str | None = field(default=None)

    def page(self, items: list[Any]) -> list[Any]:
        start = max(self.offset, 0)
        return items[start:] if self.limit < 0 else items[start : start + self.limit]
