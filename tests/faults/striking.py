"""Lets faults strike: each alone first, then several at once, by the seed."""

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Final

from fault import Fault, World
from history import History

_HELD_S: Final = (1.0, 6.0)
_BETWEEN_S: Final = (0.5, 2.0)
_STRUCK_WITHIN_S: Final = 120.0
_HEALED_WITHIN_S: Final = 300.0
AT_ONCE: Final = (2, 3)
"""How many faults strike together: at least, and at most."""


class NotHealed(Exception):
    """A fault's harm could not be mended: what follows would prove nothing."""


class Striking:
    """Injects and heals faults, and notes both in the history; ``before_each`` is called before each strikes.

    A fault that can't strike is ``trouble``: the run goes on without it, and does not pass.
    """

    def __init__(
        self,
        world: World,
        history: History,
        rng: random.Random,
        tell: Callable[[str], None],
        before_each: Callable[[], None] = lambda: None,
    ) -> None:
        self._world = world
        self._history = history
        self._rng = rng
        self._tell = tell
        self._before_each = before_each
        self.trouble: list[str] = []

    async def each_alone(self, faults: Sequence[Fault]) -> None:
        """Let each strike once, in an order by the seed.

        Raises:
            NotHealed: the harm of one could not be mended.
        """
        for fault in self._rng.sample(list(faults), len(faults)):
            await self._strike([fault])

    async def combined(self, faults: Sequence[Fault], rounds: int) -> None:
        """Let two or three strike at once, ``rounds`` times.

        Raises:
            NotHealed: the harm of one could not be mended.
        """
        for _ in range(rounds):
            count = min(self._rng.randint(*AT_ONCE), len(faults))
            await self._strike(self._rng.sample(list(faults), count))

    async def _strike(self, faults: Sequence[Fault]) -> None:
        struck: list[Fault] = []
        try:
            for fault in faults:
                struck.append(fault)
                await self._inject(fault)
            await asyncio.sleep(self._rng.uniform(*_HELD_S))
        finally:
            # The last one first: it struck a system in which the others had struck already.
            for fault in reversed(struck):
                await self._heal(fault)
        await asyncio.sleep(self._rng.uniform(*_BETWEEN_S))

    async def _inject(self, fault: Fault) -> None:
        self._before_each()
        self._history.injecting(fault.name, fault.kind)
        try:
            async with asyncio.timeout(_STRUCK_WITHIN_S):
                what = await fault.inject(self._world, random.Random(self._rng.random()))
        except Exception as error:  # noqa: BLE001 - told in the verdict
            self.trouble.append(f"{fault.name} could not strike: {error!r}")
            return
        self._history.injected(fault.name, what)
        self._tell(f"  {what}")

    async def _heal(self, fault: Fault) -> None:
        try:
            async with asyncio.timeout(_HEALED_WITHIN_S):
                await fault.heal(self._world)
        except Exception as error:
            raise NotHealed(f"{fault.name} could not be healed: {error!r}") from error
        self._history.healed(fault.name)
