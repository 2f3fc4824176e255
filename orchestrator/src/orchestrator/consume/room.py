"""How much a stage may have in flight: few that are being decided, many that only wait to be committed."""

from collections.abc import Callable
from typing import Final

from orchestrator.consume.offset_ledger import Ledger

BYTES_IN_FLIGHT: Final = 32 * 1024 * 1024
"""Records in flight per stage; one more poll may bring what the client has fetched, 16 MiB and a record."""
WAITING_TO_BE_COMMITTED: Final = 10_000
"""Records that are decided and wait for one before them, beside those that are being decided. They take
little memory, and are read again after a restart; few of them would let one slow record stop its stage."""
SET_ASIDE: Final = 3
"""How many times the limit may be in flight in excess of it, of records that were set aside."""


class Room:
    """What a stage may still read: ``limit`` counts the records that are being decided.

    ``set_aside`` says how many of these are no others' business: up to :data:`SET_ASIDE` limits of them don't
    count.
    """

    def __init__(self, ledger: Ledger, limit: int, set_aside: Callable[[], int]) -> None:
        self.ledger = ledger
        self._set_aside = set_aside
        self.limit = limit

    @property
    def left(self) -> int:
        """How many records may be read now; not positive when there is no room."""
        undecided = len(self.ledger.undecided)
        set_aside = min(self._set_aside(), SET_ASIDE * self.limit)
        waiting = self.ledger.in_flight - undecided
        return min(self.limit + set_aside - undecided, WAITING_TO_BE_COMMITTED - waiting)

    @property
    def full(self) -> bool:
        """True when nothing more may be read before something is settled."""
        return self.left <= 0 or self.ledger.size >= BYTES_IN_FLIGHT
