"""Samples how much memory each process of the stack has, while a run lasts."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Final

import psutil

from evidence import Memory
from local_stack import Stack
from signalbox.protocol.errors import ConfigurationError

_EVERY_S: Final = 1.0
_MIB: Final = 1024 * 1024


class MemoryUse:
    """The most resident memory that was seen, by service; a restarted process counts with the one before."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._peaks: dict[str, float] = {}
        self._samples: Counter[str] = Counter()

    async def watch(self) -> None:
        """Look every second, until cancelled."""
        while True:
            for service, mib in self._now():
                self._peaks[service] = max(mib, self._peaks.get(service, 0.0))
                self._samples[service] += 1
            await asyncio.sleep(_EVERY_S)

    def peaks(self) -> list[Memory]:
        """Return what was seen so far."""
        return [Memory(name, peak, self._samples[name]) for name, peak in sorted(self._peaks.items())]

    def _now(self) -> Iterator[tuple[str, float]]:
        try:
            recorded = self._stack.processes
        except ConfigurationError:  # it is just being written
            return
        for process in recorded:
            try:
                yield process.service, psutil.Process(process.pid).memory_info().rss / _MIB
            except psutil.Error:
                continue
