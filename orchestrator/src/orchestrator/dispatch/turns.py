"""Whose turn it is to call an agent: a few at once, and what failed never takes the turns of what did not."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from orchestrator.dispatch.circuit_breaker import CircuitBreaker, Standing


@dataclass(eq=False, slots=True)
class _Waiter:
    asked: Callable[[], Standing]
    turn: "asyncio.Future[bool]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """Given with whether the call is a probe."""

    had: Standing | None = None
    """The standing with which it got its turn; what becomes of the call changes nothing about that."""

    @property
    def standing(self) -> Standing:
        """The standing with which it counts: one that waits is at fault as soon as another succeeds."""
        return self.had or self.asked()


class Turns:
    """At most ``at_once`` calls at once, when the circuit lets them leave.

    A message that has not failed goes before those that have. These get at most half of the turns, and at
    least one, so that they come to their end. Within each kind it goes by who waits longest: a message that
    failed goes behind the others. A suspect gets its turn alone, with no one beside it; afterwards the
    others have at least as much time as they were held back.
    """

    def __init__(self, at_once: int, breaker: CircuitBreaker) -> None:
        self._at_once = at_once
        self._for_failed = max(1, at_once // 2)
        self._breaker = breaker
        self._new: deque[_Waiter] = deque()
        self._failed: deque[_Waiter] = deque()
        self._suspects: deque[_Waiter] = deque()
        self._inside: set[_Waiter] = set()
        self._last_was_new = False
        self._held_since: float | None = None
        self._next_alone = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def turn(self, standing: Callable[[], Standing]) -> AsyncIterator[None]:
        """Wait for the turn of the message of that ``standing``, and hold it."""
        waiter = _Waiter(standing)
        self._line(waiter.standing).append(waiter)
        self._give()
        try:
            is_probe = await waiter.turn
        except asyncio.CancelledError:
            self._withdraw(waiter)
            raise
        try:
            yield
        finally:
            self._leave(waiter, is_probe)

    def _line(self, standing: Standing) -> deque[_Waiter]:
        match standing:
            case Standing.NEW:
                return self._new
            case Standing.SUSPECT:
                return self._suspects
            case _:
                return self._failed

    def _withdraw(self, waiter: _Waiter) -> None:
        if waiter in self._inside:  # it was its turn in the same moment
            self._leave(waiter, waiter.turn.result())
            return
        if waiter in self._line(waiter.standing):
            self._line(waiter.standing).remove(waiter)
        if not self._suspects and not self._is_alone:
            self._release_hold()
        self._give()

    def _leave(self, waiter: _Waiter, is_probe: bool) -> None:
        self._inside.remove(waiter)
        if is_probe:
            self._breaker.probed()
        if waiter.standing is Standing.SUSPECT:
            self._release_hold()
        self._give()

    def _release_hold(self) -> None:
        if self._held_since is not None:
            self._next_alone = _now() + (_now() - self._held_since)
            self._held_since = None

    def _give(self) -> None:
        while (waiter := self._next_and_later()) is not None:
            self._line(waiter.standing).remove(waiter)
            if waiter.turn.cancelled():
                continue
            waiter.had = waiter.standing
            self._inside.add(waiter)
            self._last_was_new = waiter.standing is Standing.NEW
            waiter.turn.set_result(self._breaker.leaves(waiter.standing))

    def _next_and_later(self) -> _Waiter | None:
        self._look_again()  # comes first: a wait that ends between the two looks is over for the second
        return self._next()

    def _next(self) -> _Waiter | None:
        if self._suspects and self._now_alone():
            if self._held_since is None:
                self._held_since = _now()
            return None if self._inside else self._suspects[0]
        if self._held_since is not None or len(self._inside) >= self._at_once:
            return None
        # One that failed has its turn now and then, however many others there are: it has to come to its end.
        is_due = self._last_was_new and not self._failed_inside
        lines = (self._failed, self._new) if is_due else (self._new, self._failed)
        return self._first(lines[0]) or self._first(lines[1])

    def _now_alone(self) -> bool:
        return self._held_since is not None or (
            _now() >= self._next_alone and self._breaker.wait_s(Standing.SUSPECT) == 0
        )

    @property
    def _is_alone(self) -> bool:
        return any(waiter.standing is Standing.SUSPECT for waiter in self._inside)

    @property
    def _failed_inside(self) -> int:
        return sum(waiter.standing is not Standing.NEW for waiter in self._inside)

    def _first(self, line: deque[_Waiter]) -> _Waiter | None:
        if line is self._failed and self._failed_inside >= self._for_failed:
            return None
        return next((waiter for waiter in line if self._breaker.wait_s(waiter.standing) == 0), None)

    def _look_again(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._held_since is not None or len(self._inside) >= self._at_once:
            return  # who leaves looks again
        waits = [
            wait
            for line in (self._new, self._failed, self._suspects)
            for standing in {waiter.standing for waiter in line}
            if (wait := self._breaker.wait_s(standing)) is not None
        ]
        if self._suspects:
            waits.append(self._next_alone - _now())
        if soon := [wait for wait in waits if wait > 0]:
            self._timer = asyncio.get_running_loop().call_later(min(soon), self._give)


def _now() -> float:
    return asyncio.get_running_loop().time()
