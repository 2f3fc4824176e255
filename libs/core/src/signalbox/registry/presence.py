"""Whether the registry answers, and since when it does not: for the status, the metrics and the console."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final, NoReturn

import structlog
from prometheus_client import Gauge

from signalbox.protocol.envelope import time_text
from signalbox.protocol.errors import Unavailable

PART: Final = "registry"

_AWAY: Final = Gauge(
    "signalbox_registry_away_since_seconds",
    "When the registry went away, in Unix seconds; 0 while it answers",
)
_log: Final = structlog.get_logger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


class RegistryPresence:
    """What a process's own questions found out about the registry.

    ``report`` is told the part and why it is impaired, or None when it is well again, as
    :meth:`signalbox.telemetry.Readiness.degraded` takes it. ``meanwhile`` says what holds until it is back.
    """

    def __init__(
        self,
        report: Callable[[str, str | None], None],
        clock: Callable[[], datetime] = _now,
        meanwhile: str = "the contracts in force stay",
    ) -> None:
        self._report = report
        self._clock = clock
        self._meanwhile = meanwhile
        self._since: datetime | None = None
        self.told: str | None = None
        """Since when it is away, why, and what holds meanwhile; None while it answers."""
        _AWAY.set(0)

    async def follow(self, ask: Callable[[], Awaitable[object]], every_s: float) -> NoReturn:
        """Ask every ``every_s`` seconds, forever, and tell whether an answer came."""
        while True:
            await asyncio.sleep(every_s)
            try:
                await ask()
            except Unavailable as unavailable:
                self.missed(unavailable)
            else:
                self.answered()

    def missed(self, why: Unavailable) -> None:
        """Tell that it did not answer: away since the first time, for the last reason."""
        if self._since is None:
            self._since = self._clock()
            _log.warning("registry_away", why=why.detail)
            _AWAY.set(self._since.timestamp())
        self._tell(f"away since {time_text(self._since)}: {why.detail}; {self._meanwhile}")

    def answered(self) -> None:
        """Tell that it is there."""
        if self._since is not None:
            _log.info("registry_back", away_since=time_text(self._since))
            self._since = None
            _AWAY.set(0)
        self._tell(None)

    def _tell(self, what: str | None) -> None:
        self.told = what
        self._report(PART, what)
