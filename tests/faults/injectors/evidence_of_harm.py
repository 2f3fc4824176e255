"""Whether a fault did harm: one that was on while nothing came its way would prove nothing."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from fault import World, append_line

LONG_S: Final = 14.0
"""Longer than a session and a transaction last (10 s): who was away so long comes back as a zombie."""

_DEADLINE_S: Final = 20.0
_LOOK_EVERY_S: Final = 0.05


class Harm:
    """Counts what one fault did, from one injection to its healing; ``count`` only ever grows."""

    def __init__(self, name: str, count: Callable[[], int]) -> None:
        self._name = name
        self._count = count
        self._before = count()

    async def begins(self) -> str:
        """Wait until it struck for the first time, for a while, and tell how that went."""
        deadline = time.monotonic() + _DEADLINE_S
        while self.done == 0 and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_EVERY_S)
        return "" if self.done else f" (nothing came its way in {_DEADLINE_S:.0f} s)"

    @property
    def done(self) -> int:
        """How often it struck so far."""
        return self._count() - self._before

    def note(self, world: World) -> None:
        """Write into the history how often it struck, for the verdict."""
        note_struck(world, self._name, self.done)


def note_struck(world: World, name: str, count: int) -> None:
    """Write into the history how often a fault struck since it was injected."""
    append_line(world.run_dir / "history.jsonl", {"event": "struck", "name": name, "count": count})
