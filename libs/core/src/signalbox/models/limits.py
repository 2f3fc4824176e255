"""How many requests a process sends to its model at once, and how much in a minute."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Final

from aiolimiter import AsyncLimiter

_CHARACTERS_A_TOKEN: Final = 4
"""A guess from before a request: what it really took is known after it."""


def guessed_tokens(text: str) -> int:
    """Guess how many tokens ``text`` is."""
    return -(-len(text) // _CHARACTERS_A_TOKEN)


class RequestLimits:
    """Bounds requests at once, and requests and tokens a minute; what is None is not bounded.

    A request's tokens are guessed: its characters by four, and all that its answer may have.
    """

    def __init__(self, concurrency: int | None, rpm: float | None, tpm: float | None) -> None:
        self._at_once = asyncio.Semaphore(concurrency) if concurrency else None
        self._requests = AsyncLimiter(rpm) if rpm else None
        self._tokens = AsyncLimiter(tpm) if tpm else None

    @asynccontextmanager
    async def room_for(self, asked: str, max_tokens: int) -> AsyncIterator[None]:
        """Wait until there is room for a request, and hold it."""
        async with self._at_once or nullcontext():
            if self._requests is not None:
                await self._requests.acquire()
            if self._tokens is not None:
                tokens = guessed_tokens(asked) + max_tokens
                await self._tokens.acquire(min(tokens, self._tokens.max_rate))
            yield
