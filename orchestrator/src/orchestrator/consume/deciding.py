"""Deciding on records, many at once: where it is asked for in the order of their key, and never given up."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from prometheus_client import Counter

from orchestrator.consume.offset_ledger import Decision
from signalbox.process.retry import retry_while_unavailable
from signalbox.protocol.errors import Fatal
from signalbox.protocol.records import Draft, Record
from signalbox.telemetry import Readiness, logger

Decide = Callable[[Record], Awaitable[Sequence[Draft]]]
"""Makes a record's outcome: the records to write, none for a duplicate. Asked again after a bad moment."""

_log = logger(__name__)
_FAULTS = Counter("signalbox_decision_faults", "Decisions that failed unexpectedly", ["stage"])


class Deciding:
    """Begins the decisions of one stage."""

    def __init__(
        self,
        stage: str,
        decide: Decide,
        readiness: Readiness,
        *,
        one_at_a_time_per_key: bool,
        fault_pause_s: float,
    ) -> None:
        self._stage = stage
        self._decide = decide
        self._readiness = readiness
        self._fault_pause_s = fault_pause_s
        self._last_of_key: dict[bytes | None, Decision] | None = {} if one_at_a_time_per_key else None

    def begin(self, record: Record) -> Decision:
        """Start to decide on ``record``; it may wait for the one before it of its key."""
        if self._last_of_key is None:
            return asyncio.create_task(self._decided(record))
        before = self._last_of_key.get(record.key)
        task = asyncio.create_task(self._decided(record, after=before))
        self._last_of_key[record.key] = task
        task.add_done_callback(lambda done: self._ended(record.key, done))
        return task

    def forget(self) -> None:
        """Drop the metric of a stage that has ended."""
        _FAULTS.remove_by_labels({"stage": self._stage})

    def _ended(self, key: bytes | None, done: Decision) -> None:
        assert self._last_of_key is not None
        if self._last_of_key.get(key) is done:
            del self._last_of_key[key]

    async def _decided(self, record: Record, after: Decision | None = None) -> Sequence[Draft]:
        if after is not None and not after.done():
            await asyncio.wait([after])
        part = f"{self._stage} {record.topic}/{record.partition}/{record.offset}"
        while True:
            try:
                drafts = await retry_while_unavailable(lambda: self._decide(record), self._readiness)
            except Fatal:
                raise
            except Exception:  # noqa: BLE001 - logged with its traceback, and tried again
                # A fault of ours, which this record brought to light. The record keeps its place and the
                # others go on being decided; ending the process would stop every partition, again and again.
                _log.exception("decision failed", record=part)
                _FAULTS.labels(self._stage).inc()
                self._readiness.degraded(part, "its decision fails; see the log")
                await asyncio.sleep(self._fault_pause_s)
            else:
                self._readiness.degraded(part, None)
                return drafts
