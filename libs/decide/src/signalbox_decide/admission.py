"""Admission: which record types a topic takes."""

from signalbox.catalog import Catalog
from signalbox.protocol.names import AGENT_MESSAGES, RecordType
from signalbox_decide.directory import Directory


class Admission:
    """A topic admits what the catalog lists; the shared topic also what registered agents announce."""

    def __init__(self, catalog: Catalog, directory: Directory) -> None:
        self._catalog = catalog
        self._directory = directory

    def admits(self, topic: str, record_type: RecordType) -> bool:
        """Say whether ``topic`` admits ``record_type`` now."""
        announced = topic == AGENT_MESSAGES and self._directory.announces(record_type)
        return announced or self._catalog.admits(topic, record_type)
