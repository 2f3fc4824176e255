"""The port to the schema registry: what governance needs of it, and no more."""

from dataclasses import dataclass
from typing import Protocol

from signalbox.protocol.names import SchemaId, Subject


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """One registered version of a subject."""

    subject: Subject
    version: int
    schema_id: SchemaId
    schema_text: str


class SchemaRegistry(Protocol):
    """A registry with the Confluent REST API.

    Every method raises Unavailable when it can't be reached, or what comes back is no answer of it. Those
    about an id may raise Refusal, ``UNKNOWN_SCHEMA``: there is no answer about this id alone.
    """

    async def schema_text(self, schema_id: SchemaId) -> str | None:
        """Return the schema of an id; None when the registry does not know it."""

    async def usages(self, schema_id: SchemaId) -> frozenset[tuple[Subject, int]]:
        """Return the subjects and versions of an id, deleted ones included; empty when it is unknown."""

    async def versions(self, subject: Subject) -> list[SchemaVersion]:
        """Return the live versions in ascending order; empty when the subject is unknown."""

    async def lookup(self, subject: Subject, schema_text: str) -> SchemaId | None:
        """Return the id under which this very schema is registered for the subject."""
