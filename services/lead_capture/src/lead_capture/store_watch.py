"""Whether the lead store can be written, asked at intervals: a full disk shows before a lead is refused."""

import asyncio
import time
from collections.abc import Awaitable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, TypeVar

from lead_capture.store import LeadStore
from signalbox.protocol.errors import SignalboxError, Unavailable
from signalbox.telemetry import Readiness, logger

PART: Final = "lead store"
"""The store's name in the process's readiness."""

_LOG: Final = logger(__name__)
_SMALL: Final = 4096
_LARGE: Final = 256 * 1024
"""More than any lead takes: after a failure, a store that has room for this is well again."""
_AGAIN_S: Final = 1.0
_PURGE_S: Final = 600.0

T = TypeVar("T")


class StoreWatch:
    """Writes a probe every ``interval_s``, at once after a write that failed, and then until one succeeds."""

    def __init__(self, store: LeadStore, readiness: Readiness, interval_s: float) -> None:
        self._store = store
        self._readiness = readiness
        self._interval_s = interval_s
        self._trouble = asyncio.Event()
        self._purged = float("-inf")
        self._well = True

    async def writing(self, write: Awaitable[T]) -> T:
        """Await a write to the store; when the store can't do it, readiness says so from now on.

        Raises:
            Unavailable: as the write does.
        """
        try:
            return await write
        except Unavailable as error:
            self._fails(error)
            self._trouble.set()
            raise

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            self._trouble.clear()
            await self._probe()
            await self._purge()
            with suppress(TimeoutError):
                if self._well:
                    await asyncio.wait_for(self._trouble.wait(), self._interval_s)
                else:
                    await asyncio.sleep(_AGAIN_S)

    async def _probe(self) -> None:
        try:
            await self._store.probe(_SMALL if self._well else _LARGE)
        except SignalboxError as error:
            self._fails(error)
        except Exception:  # noqa: BLE001 - logged, reported, and tried again
            _LOG.exception("store_probe_failed")
            self._readiness.wait(PART, "it can't be written, see the log")
            self._well = False
        else:
            if not self._trouble.is_set():
                self._readiness.done(PART)
                self._well = True

    async def _purge(self) -> None:
        if self._well and time.monotonic() - self._purged > _PURGE_S:
            with suppress(SignalboxError):  # the next probe reports a store that is away
                await self._store.purge(datetime.now(UTC))
                self._purged = time.monotonic()

    def _fails(self, error: SignalboxError) -> None:
        if self._well:
            _LOG.warning("store_not_writable", why=str(error))
        self._well = False
        self._readiness.wait(PART, str(error))
