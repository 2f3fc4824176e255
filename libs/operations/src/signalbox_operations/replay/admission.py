"""What the topics admit, as the orchestrator sees it: the catalog, and what registered agents announce."""

from collections.abc import Sequence
from typing import Final

from signalbox.catalog import Catalog
from signalbox.gate.control_records import ControlRecords
from signalbox.protocol.names import AGENT_MESSAGES, RecordType
from signalbox.protocol.records import Record
from signalbox_operations.contracts.announced import announcements_in_force, decoded_by

_NONE: Final[frozenset[RecordType]] = frozenset()


class KnownAdmission:
    """Admits what the catalog lists; on the shared topic also what agents announced on ``agent_registry``."""

    def __init__(self, catalog: Catalog, announced: frozenset[RecordType] = _NONE) -> None:
        self._catalog = catalog
        self._announced = announced

    def admits(self, topic: str, record_type: RecordType) -> bool:
        """Say whether records of ``record_type`` belong on ``topic``."""
        announced = topic == AGENT_MESSAGES and record_type in self._announced
        return announced or self._catalog.admits(topic, record_type)


async def announced_types(control: ControlRecords, registrations: Sequence[Record]) -> frozenset[RecordType]:
    """Return the record types that agents take or give whose announcements count for the orchestrator.

    ``registrations`` are the records of ``agent_grants`` and ``agent_registry``.

    Raises:
        Unavailable: the registry can't be reached.
    """
    found = announcements_in_force(registrations, await decoded_by(control, registrations)).values()
    takes = {RecordType(entry.record_type) for said in found for entry in said.input}
    return frozenset(takes | {RecordType(entry.record_type) for said in found for entry in said.output})
