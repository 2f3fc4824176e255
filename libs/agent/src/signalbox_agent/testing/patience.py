"""Waiting out a bad moment in a test: for a while, and never forever."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from signalbox.protocol.errors import SignalboxError, Unavailable
from signalbox.protocol.records import Record

T = TypeVar("T")
_PAUSE_S: Final = 0.005


class Unsettled(SignalboxError):
    """A message has no outcome in time; the text says which one, and what it waits for."""


class Patience:
    """Asks again while something is :class:`Unavailable`, for ``seconds`` at most."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._why = ""

    def report(self, part: str, why: str | None) -> None:
        """Take what a decision waits for."""
        if why is not None:
            self._why = f"{part} {why}"

    async def settle(self, record: Record, step: Callable[[], Awaitable[T]]) -> T:
        """Return what ``step`` gives for ``record``.

        Raises:
            Unsettled: it gave nothing in time.
        """
        self._why = "its handling takes longer"
        try:
            async with asyncio.timeout(self._seconds):
                while True:
                    try:
                        return await step()
                    except Unavailable as error:
                        self._why = str(error)
                    await asyncio.sleep(_PAUSE_S)
        except TimeoutError:
            place = f"{record.topic}/{record.partition}/{record.offset}"
            raise Unsettled(f"{place} is not settled after {self._seconds:g} s: {self._why}") from None
