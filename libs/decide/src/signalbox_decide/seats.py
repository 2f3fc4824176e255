"""How many agents there may be: whoever may announce one may announce many."""

from collections.abc import Collection
from typing import Final

from signalbox.catalog import Catalog
from signalbox.protocol.names import AgentId
from signalbox.protocol.records import Record
from signalbox_decide.reporting import Report

FULL: Final = "there are AGENT_LIMIT agents: remove one (`signalbox agents remove`), or raise it"


class Seats:
    """At most ``limit`` agents. Those that the catalog names have their seats kept, and always find one.

    A bound per announcing principal belongs here, too: :meth:`has_one_for` is asked before an announcement is
    read.
    """

    def __init__(self, limit: int = 64, kept: Collection[AgentId] = ()) -> None:
        self.limit = limit
        self._kept = frozenset(kept)

    @classmethod
    def of(cls, catalog: Catalog, limit: int) -> "Seats":
        """Keep a seat for each service that the catalog names as producer, consumer or client."""
        named = {
            AgentId(name)
            for entry in catalog.records.values()
            for name in (*entry.producers, *entry.consumers)
        }
        return cls(limit, named | {AgentId(name) for name in catalog.clients})

    def has_one_for(self, agent: AgentId, seated: Collection[AgentId]) -> bool:
        """Say whether ``agent`` may come in beside those who are ``seated``; who is seated stays."""
        if agent in self._kept or agent in seated:
            return True
        strangers = sum(one not in self._kept for one in seated)
        return strangers < self.limit - self.kept

    @property
    def kept(self) -> int:
        """How many seats are kept for those that the catalog names; never all of them."""
        return min(len(self._kept), self.limit // 2)


class WaitingList:
    """The announcements of agents that found no seat; the first comes in when one is free.

    Only ``places`` of them wait: the rest announce themselves again.
    """

    def __init__(self, places: int, report: Report) -> None:
        self._places = places
        self._report = report
        self._waiting: dict[AgentId, Record] = {}

    def add(self, agent: AgentId, announcement: Record) -> None:
        """Let ``agent`` wait, with its newest announcement."""
        if agent in self._waiting or len(self._waiting) < self._places:
            self._waiting[agent] = announcement
        self._tell()

    def leave(self, agent: AgentId) -> None:
        """Forget ``agent``, which was removed."""
        if self._waiting.pop(agent, None):
            self._tell()

    def next(self) -> Record | None:
        """Return the announcement that waits longest, which waits no more; None when none does."""
        if not self._waiting:
            return None
        announcement = self._waiting.pop(next(iter(self._waiting)))
        self._tell()
        return announcement

    def _tell(self) -> None:
        waiting = ", ".join(list(self._waiting)[:5])
        why = f"{len(self._waiting)} or more refused ({waiting}): {FULL}" if waiting else None
        self._report("agent registrations", why)
