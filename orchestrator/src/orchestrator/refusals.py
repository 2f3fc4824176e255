"""Registrations that were refused, told loudly: in the log, the metrics, ``/readyz`` and ``/agents``."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from prometheus_client import Counter

from signalbox.protocol.envelope import time_text
from signalbox.protocol.printable import bounded
from signalbox.telemetry import Readiness, logger
from signalbox.trust import Untrusted

_log = logger(__name__)
_REFUSED = Counter("signalbox_registrations_refused", "Announcements and tombstones refused", ["why"])
_SHOWN_S: Final = 900.0
"""For how long after the last one of an agent it is told that there were some."""
_LOGGED_EVERY_S: Final = 10.0
_MOST_AGENTS: Final = 50
"""Whoever writes the topic invents ids; what is kept of them is bounded."""
_OTHERS: Final = "others"
_LONGEST_WHY: Final = 300
"""In characters: it quotes what a stranger wrote."""


@dataclass(slots=True)
class _Refused:
    why: str
    count: int
    at: float
    logged: float


class Refusals:
    """What was refused lately, by agent."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness
        self._known: dict[str, _Refused] = {}

    def refused(self, agent: str, error: Untrusted, *, at_work: bool = False) -> None:
        """Tell of one. What the agent had in force is still in force.

        An agent that is ``at_work`` is told by its name, however many ids somebody invented before.
        """
        _REFUSED.labels(error.fault.value).inc()
        named = at_work or agent in self._known or len(self._known) < _MOST_AGENTS
        name = agent if named else _OTHERS
        now, why = time.time(), " ".join(bounded(str(error), _LONGEST_WHY).split())
        entry = self._known.setdefault(name, _Refused(why, 0, now, 0.0))
        if now - entry.logged > _LOGGED_EVERY_S or entry.why != why:
            _log.error(
                "registration refused", agent=name, why=why, fault=error.fault.value, so_far=entry.count
            )
            entry.logged = now
        entry.why, entry.count, entry.at = why, entry.count + 1, now
        self._tell(name, entry)

    def look_at_the_clock(self) -> None:
        """Forget what is long ago."""
        for name in [name for name, entry in self._known.items() if time.time() - entry.at > _SHOWN_S]:
            del self._known[name]
            self._readiness.degraded(_part(name), None)

    def told(self) -> Mapping[str, dict[str, Any]]:
        """Return ``why``, ``count`` and ``at`` of the last one, by agent."""
        return {
            name: {"why": entry.why, "count": entry.count, "at": _text(entry.at)}
            for name, entry in sorted(self._known.items())
        }

    def _tell(self, name: str, entry: _Refused) -> None:
        told = f"{entry.why} ({entry.count} refused, the last at {_text(entry.at)}); the former stays"
        self._readiness.degraded(_part(name), told)


def _part(name: str) -> str:
    return f"registration of {name}"


def _text(at: float) -> str:
    return time_text(datetime.fromtimestamp(at, UTC))
