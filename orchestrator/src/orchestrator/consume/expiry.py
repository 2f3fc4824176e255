"""The alarm about records that wait so long that their topic may delete them."""

from datetime import timedelta
from typing import Final

from orchestrator.consume.ladder import Retention
from orchestrator.consume.offset_ledger import Ledger
from signalbox.protocol.envelope import time_text
from signalbox.protocol.records import Record
from signalbox.telemetry import Readiness, logger
from signalbox_decide.clock import Clock

_log = logger(__name__)
_ALARM_AT: Final = 0.5
"""The share of a topic's retention that a record may wait before people are told."""


class Expiry:
    """Looks at the oldest record that a stage has not settled, whatever it waits for."""

    def __init__(
        self, stage: str, ledger: Ledger, readiness: Readiness, retention: Retention, clock: Clock
    ) -> None:
        self._part = f"{stage} retention"
        self._ledger = ledger
        self._readiness = readiness
        self._retention = retention
        self._clock = clock
        self._told = False

    def look(self) -> None:
        """Raise the alarm, or end it."""
        why = self._alarm(self._ledger.oldest)
        self._readiness.degraded(self._part, why)
        if why is not None and not self._told:
            _log.error("records may be deleted before they are decided on", why=why)
        self._told = why is not None

    def forget(self) -> None:
        """End the alarm of a stage that has ended."""
        self._readiness.degraded(self._part, None)

    def _alarm(self, record: Record | None) -> str | None:
        kept_ms = None if record is None else self._retention(record.topic)
        if record is None or kept_ms is None:
            return None
        written = record.time
        if written is None or self._clock.now() - written < timedelta(milliseconds=kept_ms * _ALARM_AT):
            return None
        gone = time_text(written + timedelta(milliseconds=kept_ms))
        place = f"{record.topic}/{record.partition}/{record.offset}"
        return f"{place} waits since {time_text(written)}, and the topic deletes it from {gone} on"
