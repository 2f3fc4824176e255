"""The outbox relay: takes the leads that wait in the store to the broker, in order, at least once."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, Protocol

from lead_capture.lead import CapturedLead
from lead_capture.metrics import PUBLISHED, WAITING
from lead_capture.store import LeadStore
from signalbox.protocol.errors import SignalboxError, Unwritable
from signalbox.protocol.names import LeadId
from signalbox.telemetry import Readiness, logger

PART: Final = "outbox"
"""The relay's name in the process's readiness."""

_LOG: Final = logger(__name__)
_FIRST_PAUSE_S: Final = 0.25
_PATIENCE_S: Final = 3.0


class LeadPublisher(Protocol):
    """Where leads go. Both methods raise Unavailable when the moment is bad.

    ``publish`` raises Unwritable, too, when a lead will never be taken.
    """

    async def prepare(self) -> None:
        """Find what is needed to publish; does nothing when that was found before."""

    async def publish(self, leads: Sequence[CapturedLead]) -> None:
        """Return when all leads are durable; the same lead always gets the same message id."""


class Relay:
    """Publishes the waiting leads when it is woken, and every ``interval_s`` seconds.

    When broker, registry or store are away it waits, doubling the pause up to ``longest_pause_s``, and
    says in the process's readiness what it waits for.
    """

    def __init__(
        self,
        store: LeadStore,
        publisher: LeadPublisher,
        readiness: Readiness,
        *,
        batch: int = 500,
        interval_s: float = 5.0,
        longest_pause_s: float = 10.0,
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._batch = batch
        self._interval_s = interval_s
        self._longest_pause_s = longest_pause_s
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._readiness = readiness
        self._held: set[LeadId] = set()
        """Leads that the broker will never take: they stay in the store, and hold back no other."""

    def wake(self) -> None:
        """Publish soon: there is a new lead. Call it on the event loop's thread."""
        self._woken.set()

    def stop(self) -> None:
        """End ``run`` after the batch that is on its way."""
        self._stopping.set()
        self._woken.set()

    async def run(self) -> None:
        """Publish until stopped."""
        pause_s = _FIRST_PAUSE_S
        while not self._stopping.is_set():
            self._woken.clear()
            all_published = await self._all_published()
            await self._count_waiting()
            if all_published:
                pause_s = _FIRST_PAUSE_S
                await _wait(self._woken, self._interval_s)
            else:
                # A new lead doesn't cut this short, else each one would knock at a broker that is down.
                await _wait(self._stopping, pause_s)
                pause_s = min(2 * pause_s, self._longest_pause_s)

    async def _all_published(self) -> bool:
        try:
            await self._publisher.prepare()
            while not self._stopping.is_set() and await self._publish_batch():
                pass
        except SignalboxError as error:
            _LOG.warning("leads_wait", why=str(error))
            self._readiness.wait(PART, str(error))
            return False
        except Exception:  # noqa: BLE001 - logged, reported, and tried again
            # The leads are safe in the store, and capture goes on: a fault here is loud, but not fatal.
            _LOG.exception("relay_failed")
            self._readiness.wait(PART, "publishing failed, see the log")
            return False
        self._readiness.done(PART)
        return True

    async def _count_waiting(self) -> None:
        with suppress(SignalboxError):  # a store that is away was reported by the pass before this
            WAITING.set(await self._store.count_waiting())

    async def _publish_batch(self) -> bool:
        """Publish the oldest leads that are this process's to publish; False when there were none."""
        claimed = await self._store.claim(self._batch + len(self._held))
        leads = [lead for lead in claimed if lead.lead_id not in self._held]
        if not leads:
            return False
        # 1. The broker has them. 2. The store knows. A crash in between publishes them again with the same
        # ids, which intake counts as duplicates; the other way round it would lose them.
        ids = [lead.lead_id for lead in await self._taken(leads)]
        if not ids:
            return True
        await self._store.mark_published(ids, datetime.now(UTC))
        PUBLISHED.inc(len(ids))
        _LOG.info("leads_published", count=len(ids), first=ids[0], last=ids[-1])
        return True

    async def _taken(self, leads: Sequence[CapturedLead]) -> Sequence[CapturedLead]:
        """Publish ``leads`` and return them, but for those that will never be taken."""
        try:
            await self._acknowledged(leads)
        except Unwritable as error:
            if error.misplaced:  # no topic: that concerns every lead, and the operator
                raise
            if len(leads) > 1:
                return [one for lead in leads for one in await self._taken([lead])]
            self._hold(leads[0].lead_id, error)
            return []
        return leads

    def _hold(self, lead_id: LeadId, why: Unwritable) -> None:
        self._held.add(lead_id)
        _LOG.error("lead_held", lead_id=lead_id, why=why.detail)
        detail = f"{len(self._held)} leads can't be published, the last: {why.detail}; the log names them"
        self._readiness.degraded(PART, detail)

    async def _acknowledged(self, leads: Sequence[CapturedLead]) -> None:
        """Publish, and say so early when the broker's answer is late: the client itself is more patient."""
        publishing = asyncio.ensure_future(self._publisher.publish(leads))
        try:
            done, _ = await asyncio.wait({publishing}, timeout=_PATIENCE_S)
            if not done:
                self._readiness.wait(PART, "broker: no answer yet")
            await publishing
        finally:
            publishing.cancel()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
