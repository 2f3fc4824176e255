"""Which faults a server has now, and whether one of them strikes what comes next."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from fault import Kind, World
from injectors.evidence_of_harm import Harm

M = TypeVar("M")


class Strikes(Generic[M]):
    """The faults that are on in one server, and how often each struck. Safe to use from any thread."""

    def __init__(self, seed: int = 0) -> None:
        self._lock = threading.Lock()
        self._on: dict[str, tuple[M, float]] = {}
        self._rng = random.Random(seed)
        self.struck: Final[Counter[str]] = Counter()
        """How often each fault struck, by its name."""

    def start(self, name: str, mode: M, share: float) -> None:
        """Let the fault ``name`` strike ``share`` (0 to 1) of what comes, until it is stopped."""
        with self._lock:
            self._on[name] = (mode, share)

    def stop(self, name: str) -> None:
        """End a fault; one that is not on may be stopped, too."""
        with self._lock:
            self._on.pop(name, None)

    def next(self, applies: Callable[[M], bool] = lambda _: True) -> tuple[str, M] | None:
        """Say which fault strikes the request or connection that has just come; None: it goes well.

        ``applies`` says which modes make sense for it.
        """
        with self._lock:
            for name, (mode, share) in self._on.items():
                if applies(mode) and self._rng.random() < share:
                    self.struck[name] += 1
                    return name, mode
        return None


@dataclass
class StrikeFault(Generic[M]):
    """A fault that strikes a share of what one of several like servers gets; ``share`` of all when 1."""

    name: str
    kind: Kind
    servers: dict[str, Strikes[M]]
    """Those of which one is chosen at random, by the name that is told."""
    mode: M
    share: float = 1.0
    _harm: Harm | None = None

    async def inject(self, world: World, rng: random.Random) -> str:
        victim = rng.choice(sorted(self.servers))
        server = self.servers[victim]
        self._harm = Harm(self.name, lambda: server.struck[self.name])
        server.start(self.name, self.mode, self.share)
        return f"{self.name}: {self.share:.0%} of what reaches {victim}{await self._harm.begins()}"

    async def heal(self, world: World) -> None:
        for server in self.servers.values():
            server.stop(self.name)
        if self._harm is not None:
            self._harm.note(world)
            self._harm = None
