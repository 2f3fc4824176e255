"""How many agents there may be: whoever may announce one may announce many."""

from collections.abc import Collection

from signalbox.catalog import Catalog
from signalbox.protocol.names import AgentId


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
