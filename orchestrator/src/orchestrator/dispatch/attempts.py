"""One message's way to its agent: attempts that failed, connections that broke, deaths with it alone."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from orchestrator.dispatch.agent_client import Away, Broken, Failed
from orchestrator.dispatch.circuit_breaker import Standing
from signalbox.protocol.records import Record

Endpoint = Callable[[], str]

_BROKEN_IN_COMPANY: Final = 2
"""Once is no suspicion: processes are killed for many reasons, and to deliver all alone would take long."""


@dataclass(eq=False, slots=True)
class Attempts:
    """What came of one message so far. ``successes`` is how many others its agent has taken."""

    original: Record
    locate: Endpoint
    failures: int = 0
    broken: int = 0
    deaths: int = 0
    turned_away: int = 0
    """How often it was told to come later, when another was taken since the time before."""
    turned_away_at: float | None = None
    """When it was told so first."""
    failed_at: int | None = None
    """How many messages had succeeded when this one failed first; None: it has not failed."""
    successes: int = 0
    """How many had when it failed last."""

    def standing(self, successes: int) -> Standing:
        """Say how far this message is at fault, by what became of the others."""
        if self.broken >= _BROKEN_IN_COMPANY:
            return Standing.SUSPECT
        if self.failed_at is None:
            return Standing.NEW
        return Standing.AT_FAULT if successes > self.failed_at else Standing.FAILED

    def were_turned_away(self, times: int, seconds: float) -> bool:
        """True when it was told to come later ``times`` while others were taken, for ``seconds``."""
        if self.turned_away_at is None or self.turned_away < times:
            return False
        return _now() - self.turned_away_at >= seconds

    def failed(self, outcome: Failed | Broken | Away, standing: Standing, successes: int) -> None:
        """Count one more attempt that did not succeed."""
        match outcome:
            case Failed():
                self.failures += 1
            case Broken():
                self.broken += 1
            case Away():
                self.turned_away += standing is not Standing.NEW and successes > self.successes
                self.turned_away_at = self.turned_away_at or _now()
        if self.failed_at is None:
            self.failed_at = successes
        self.successes = successes


def _now() -> float:
    return asyncio.get_running_loop().time()
