"""Committed contracts in a registry in memory; headers, records and admission for tests of the gate."""

import committed_contracts
from signalbox.avro import Limits
from signalbox.gate import Contracts, Gate
from signalbox.gate.schemas import WriterSchemas
from signalbox.protocol.names import AGENT_MESSAGES, INCOMING_LEADS, Headers, RecordType
from signalbox.protocol.records import Record
from signalbox_agent.testing import MemoryRegistry

DEFAULTS = Limits()
SDR = (
    "sdr.LeadCaptured",
    "sdr.LeadProfiled",
    "sdr.LeadScored",
    "sdr.CampaignDrafted",
    "sdr.CampaignScheduled",
)


def register_committed(registry: MemoryRegistry, namespace: str = "") -> None:
    """Register the committed contracts, each as version 1; of one ``namespace``, or all."""
    for record_type in committed_contracts.record_types():
        if record_type.startswith(namespace):
            registry.register(record_type, committed_contracts.schema_text(record_type))


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
