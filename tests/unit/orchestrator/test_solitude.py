"""One alone means nobody beside it, and those that come after wait."""

import asyncio
from contextlib import AbstractAsyncContextManager

from orchestrator.solitude import Solitude


class Room:
    """Counts who is inside, and remembers how many were there with each one that wanted to be alone."""

    def __init__(self) -> None:
        self.solitude = Solitude()
        self.inside = self.most = 0
        self.beside_one_alone: list[int] = []

    async def visit(self, way: AbstractAsyncContextManager[None], *, alone: bool = False) -> None:
        async with way:
            self.inside += 1
            self.most = max(self.most, self.inside)
            for _ in range(5):
                await asyncio.sleep(0)
                if alone:
                    self.beside_one_alone.append(self.inside - 1)
            self.inside -= 1


async def test_who_is_alone_has_nobody_beside_and_the_others_go_together() -> None:
    room = Room()
    async with asyncio.timeout(10):
        await asyncio.gather(
            *[room.visit(room.solitude.together()) for _ in range(5)],
            *[room.visit(room.solitude.alone(), alone=True) for _ in range(3)],
            *[room.visit(room.solitude.together()) for _ in range(5)],
        )
    assert room.most > 1
    assert room.beside_one_alone == [0] * 15


async def test_who_gives_up_waiting_to_be_alone_holds_nobody_back() -> None:
    solitude = Solitude()
    async with solitude.together():
        waiting = asyncio.create_task(Room().visit(solitude.alone()))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        async with asyncio.timeout(10), solitude.together():
            pass
