"""A fake schema registry: versions in a dict, at governance's port, with a switch that makes it unreachable.

It stands for the network part only; what a registry refuses to register is not its matter. Also the
headers, records and admission that tests of the gate need.
"""

import json
from collections.abc import Mapping
from typing import Any

import committed_contracts
from signalbox.avro import Limits
from signalbox.gate import Contracts, Gate
from signalbox.gate.schemas import WriterSchemas
from signalbox.protocol.errors import Unavailable
from signalbox.protocol.names import AGENT_MESSAGES, INCOMING_LEADS, Headers, RecordType, SchemaId, Subject
from signalbox.protocol.records import Record
from signalbox.registry.port import SchemaVersion

DEFAULTS = Limits()
SDR = (
    "sdr.LeadCaptured",
    "sdr.LeadProfiled",
    "sdr.LeadScored",
    "sdr.CampaignDrafted",
    "sdr.CampaignScheduled",
)


class MemoryRegistry:
    def __init__(self) -> None:
        self.available = True
        self.asked: list[tuple[str, object]] = []
        self._texts: dict[SchemaId, str] = {}
        self._versions: dict[Subject, list[SchemaVersion]] = {}
        self._deleted: set[tuple[Subject, int]] = set()

    def register(self, subject: str, schema: str | Mapping[str, Any], version: int | None = None) -> SchemaId:
        text = schema if isinstance(schema, str) else json.dumps(schema)
        schema_id = next((known for known, have in self._texts.items() if have == text), None)
        if schema_id is None:
            schema_id = SchemaId(len(self._texts) + 1)
            self._texts[schema_id] = text
        versions = self._versions.setdefault(Subject(subject), [])
        if not any(known.schema_text == text for known in versions):
            number = version or len(versions) + 1
            versions.append(SchemaVersion(Subject(subject), number, schema_id, text))
        return schema_id

    def register_committed(self, namespace: str = "") -> None:
        """Register the committed contracts, each as version 1; of one ``namespace``, or all."""
        for record_type in committed_contracts.record_types():
            if record_type.startswith(namespace):
                self.register(record_type, committed_contracts.schema_text(record_type))

    def soft_delete(self, subject: str, version: int) -> None:
        self._deleted.add((Subject(subject), version))

    async def schema_text(self, schema_id: SchemaId) -> str | None:
        self._ask("schema_text", schema_id)
        return self._texts.get(schema_id)

    async def usages(self, schema_id: SchemaId) -> frozenset[tuple[Subject, int]]:
        self._ask("usages", schema_id)
        everything = (version for versions in self._versions.values() for version in versions)
        return frozenset((each.subject, each.version) for each in everything if each.schema_id == schema_id)

    async def versions(self, subject: Subject) -> list[SchemaVersion]:
        self._ask("versions", subject)
        return [
            version
            for version in self._versions.get(subject, [])
            if (subject, version.version) not in self._deleted
        ]

    async def lookup(self, subject: Subject, schema_text: str) -> SchemaId | None:
        self._ask("lookup", subject)
        versions = self._versions.get(subject, [])
        return next((each.schema_id for each in versions if each.schema_text == schema_text), None)

    def _ask(self, what: str, of: object) -> None:
        self.asked.append((what, of))
        if not self.available:
            raise Unavailable("registry", "the test switched it off")


class Admits:
    """Admits what it is given: topic to record types."""

    def __init__(self, **admitted: tuple[str, ...]) -> None:
        self._admitted = admitted

    def admits(self, topic: str, record_type: RecordType) -> bool:
        return record_type in self._admitted.get(topic, ())


def sdr_admission(*more: str) -> Admits:
    return Admits(**{AGENT_MESSAGES: (*SDR, *more), INCOMING_LEADS: ("sdr.LeadCaptured",)})


def impatient_gate(registry: MemoryRegistry, *more: str, limits: Limits = DEFAULTS) -> Gate:
    """Make a gate that asks again without waiting, and forgets at once what was unknown or not admitted."""
    schemas = WriterSchemas(registry, limits, ask_again_s=0, unknown_for_s=0, usages_for_s=0)
    return Gate(registry, Contracts(registry), sdr_admission(*more), limits, schemas=schemas)


def headers(record_type: str, **changes: bytes | None) -> Headers:
    given: dict[str, bytes | None] = {
        "ce_specversion": b"1.0",
        "ce_id": b"m-1",
        "ce_source": b"test",
        "ce_type": record_type.encode(),
        "ce_time": b"2026-01-02T03:04:05Z",
        "ce_correlationid": b"c-1",
        "ce_hop": b"0",
    }
    return tuple({**given, **changes}.items())


def record(
    value: bytes | None,
    sent_headers: Headers,
    *,
    topic: str = AGENT_MESSAGES,
    key: bytes | None = b"lead-1",
) -> Record:
    return Record(topic=topic, partition=0, offset=7, key=key, value=value, headers=sent_headers)
