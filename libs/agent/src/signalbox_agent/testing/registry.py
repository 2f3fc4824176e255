"""The schema registry in memory; what a registry refuses to register is not its matter."""

import json
from collections.abc import Mapping
from typing import Any

from signalbox.protocol.errors import Unavailable
from signalbox.protocol.names import SchemaId, Subject
from signalbox.registry.port import SchemaVersion


class MemoryRegistry:
    """Has the versions that were registered with it.

    While it is not ``available``, every question raises :class:`Unavailable`. ``asked`` has each question:
    the method's name, and what it was about.
    """

    def __init__(self) -> None:
        self.available = True
        self.asked: list[tuple[str, object]] = []
        self._texts: dict[SchemaId, str] = {}
        self._versions: dict[Subject, list[SchemaVersion]] = {}
        self._deleted: set[tuple[Subject, int]] = set()

    def register(
        self,
        subject: str,
        schema: str | Mapping[str, Any],
        version: int | None = None,
        schema_id: int | None = None,
    ) -> SchemaId:
        """Register ``schema`` for ``subject``, as its next version or as ``version``; return its id.

        A schema that is known keeps its id; a new one gets the next, or ``schema_id``.
        """
        text = schema if isinstance(schema, str) else json.dumps(schema)
        known = next((known for known, have in self._texts.items() if have == text), None)
        schema_id = SchemaId(known or schema_id or max(self._texts, default=0) + 1)
        self._texts[schema_id] = text
        versions = self._versions.setdefault(Subject(subject), [])
        if not any(known.schema_text == text for known in versions):
            number = version or len(versions) + 1
            versions.append(SchemaVersion(Subject(subject), number, schema_id, text))
        return schema_id

    def forget(self, schema_id: int) -> None:
        """Know an id no more, as a registry that was set up again."""
        del self._texts[SchemaId(schema_id)]
        for subject, versions in self._versions.items():
            self._versions[subject] = [each for each in versions if each.schema_id != schema_id]

    def soft_delete(self, subject: str, version: int) -> None:
        """Delete a version as the registry does at first: it gives way, and is still known."""
        self._deleted.add((Subject(subject), version))

    def text_of(self, schema_id: int) -> str | None:
        """Return the schema of an id, and count no question."""
        return self._texts.get(SchemaId(schema_id))

    async def schema_text(self, schema_id: SchemaId) -> str | None:
        """Return the schema of an id."""
        self._ask("schema_text", schema_id)
        return self._texts.get(schema_id)

    async def usages(self, schema_id: SchemaId) -> frozenset[tuple[Subject, int]]:
        """Return the subjects and versions of an id, deleted ones too."""
        self._ask("usages", schema_id)
        everything = (version for versions in self._versions.values() for version in versions)
        return frozenset((each.subject, each.version) for each in everything if each.schema_id == schema_id)

    async def versions(self, subject: Subject) -> list[SchemaVersion]:
        """Return the live versions."""
        self._ask("versions", subject)
        return [
            version
            for version in self._versions.get(subject, [])
            if (subject, version.version) not in self._deleted
        ]

    async def lookup(self, subject: Subject, schema_text: str) -> SchemaId | None:
        """Return the id under which this very schema is registered for the subject."""
        self._ask("lookup", subject)
        versions = self._versions.get(subject, [])
        return next((each.schema_id for each in versions if each.schema_text == schema_text), None)

    async def close(self) -> None:
        """Hold no connection."""

    def _ask(self, what: str, of: object) -> None:
        self.asked.append((what, of))
        if not self.available:
            raise Unavailable("registry", "it was switched off")
