"""Remembering very many ids in little memory: digests instead of texts, and hours instead of times."""

from collections import deque
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, NamedTuple

from signalbox.protocol.names import CorrelationId, MessageId
from signalbox_decide.workflow_usage import WINDOW_S

LIMIT: Final = 500_000
"""Ids remembered at once, some 140 bytes each; the oldest are forgotten first."""
BEFORE: Final = -1
"""The position of a decision that was read back: it is of an earlier reading, and no one's now."""

_SHELF_S: Final = 3600.0
_SHELF_LIMIT: Final = LIMIT // 16
_DIGEST: Final = 16


class Identity(NamedTuple):
    """A message within its workflow; two workflows never shadow each other's ids."""

    correlation_id: CorrelationId
    message_id: MessageId

    def digest(self) -> bytes:
        """Return 16 bytes that stand for it."""
        text = f"{len(self.correlation_id)}:{self.correlation_id}{self.message_id}"
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_DIGEST).digest()


@dataclass(slots=True)
class _Shelf:
    since: float
    positions: dict[bytes, int] = field(default_factory=dict)


class SeenIds:
    """Who took which identity, on shelves of at most an hour each, of which the oldest go as a whole."""

    def __init__(self) -> None:
        self._shelves: deque[_Shelf] = deque()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, identity: object) -> bool:
        if not isinstance(identity, Identity):
            return False
        key = identity.digest()
        return any(key in shelf.positions for shelf in self._shelves)

    @property
    def oldest(self) -> float:
        """When the oldest shelf was begun."""
        return self._shelves[0].since if self._shelves else float("inf")

    def setdefault(self, identity: Identity, at: float, position: int) -> int:
        """Return the position that took ``identity``, which is ``position`` itself if no one had."""
        while self._shelves and self._shelves[0].since < at - WINDOW_S - _SHELF_S:
            self.forget_oldest()
        key = identity.digest()
        for shelf in self._shelves:
            if (by := shelf.positions.get(key)) is not None:
                return by
        self._newest(at).positions[key] = position
        self._count += 1
        return position

    def forget_oldest(self) -> None:
        """Make room."""
        self._count -= len(self._shelves.popleft().positions)

    def _newest(self, at: float) -> _Shelf:
        newest = self._shelves[-1] if self._shelves else None
        if newest is None or at - newest.since > _SHELF_S or len(newest.positions) >= _SHELF_LIMIT:
            newest = _Shelf(at)
            self._shelves.append(newest)
        return newest
