"""Letting calls go together, or one of them alone."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager


class Solitude:
    """Many at once, or one with nobody beside it; who wants to be alone holds back those that come after."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._inside = 0
        self._wanting = 0

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        """Go in with others."""
        await self._until(lambda: not self._wanting)
        with self._counted():
            yield

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Go in when all others have left; they wait meanwhile."""
        self._wanting += 1
        try:
            await self._until(lambda: not self._inside)
            with self._counted():
                yield
        finally:
            self._wanting -= 1
            self._wake()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1
            self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            await self._changed.wait()
