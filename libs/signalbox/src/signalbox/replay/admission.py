"""What the topics admit, as the orchestrator sees it: the catalog, and what registered agents announce."""

from collections.abc import Iterable
from typing import Final

from signalbox.contracts.catalog import Catalog
from signalbox.control import ControlRecords
from signalbox.errors import Refusal
from signalbox.names import AGENT_MESSAGES, RecordType
from signalbox.records import Record
from signalbox_contracts.control import AgentRegistered

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


async def announced_types(control: ControlRecords, registrations: Iterable[Record]) -> frozenset[RecordType]:
    """Return the record types that the agents of ``agent_registry`` take or give; the newest word counts.

    Raises:
        Unavailable: the registry can't be reached.
    """
    newest = {record.key: record for record in registrations}
    found: set[RecordType] = set()
    for record in newest.values():
        if record.value is not None:
            found |= await _types(control, record)
    return frozenset(found)


async def _types(control: ControlRecords, record: Record) -> set[RecordType]:
    try:
        said = await control.read(AgentRegistered, record)
    except Refusal:
        return set()  # the orchestrator ignores such a registration too
    takes = {RecordType(entry.record_type) for entry in said.input}
    return takes | {RecordType(entry.record_type) for entry in said.output}
