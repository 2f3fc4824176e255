"""Stands in for the registry's HTTP API: it numbers versions as Confluent does."""

import json

from signalbox.protocol.names import SchemaId, Subject
from signalbox_operations.contracts.registry_api import RefusedByRegistry, Registered


class NumberingRegistry:
    """Gives no number of a deregistered version a second time; ``refuses`` lets it take no schema."""

    def __init__(self) -> None:
        self.live: list[Registered] = []
        self.deleted: list[Registered] = []
        self.levels: list[str] = []
        self.refuses = ""

    def versions(self, subject: Subject) -> list[Registered]:
        return list(self.live)

    def deleted_versions(self, subject: Subject) -> list[Registered]:
        return list(self.deleted)

    def lookup(self, subject: Subject, text: str) -> Registered | None:
        return next((one for one in self.live if json.loads(one.text) == json.loads(text)), None)

    def register(self, subject: Subject, text: str) -> SchemaId | RefusedByRegistry:
        if self.refuses:
            return RefusedByRegistry(self.refuses)
        if (found := self.lookup(subject, text)) is not None:
            return found.schema_id
        number = max((one.version for one in (*self.live, *self.deleted)), default=0) + 1
        self.live.append(Registered(number, SchemaId(100 + number), text))
        return SchemaId(100 + number)

    def take_back(self, version: int) -> None:
        gone = next(one for one in self.live if one.version == version)
        self.live.remove(gone)
        self.deleted.append(gone)

    def compatibility(self, subject: Subject) -> str | None:
        return self.levels[-1] if self.levels else None

    def set_compatibility(self, subject: Subject, level: str) -> None:
        self.levels.append(level)
