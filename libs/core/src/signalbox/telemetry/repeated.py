"""Lines that a stranger can cause are counted, not repeated: no number of them fills a disk."""

import logging
import time
from collections.abc import Callable, Hashable
from typing import Final

EVERY_S: Final = 10.0
"""How long after a line the ones like it are only counted."""
_KINDS: Final = 200


class Repeated:
    """Says for each line whether it is to be written now, and how many like it were left out before."""

    def __init__(self, every_s: float = EVERY_S, clock: Callable[[], float] = time.monotonic) -> None:
        self._every_s = every_s
        self._clock = clock
        self._kinds: dict[Hashable, tuple[float, int]] = {}

    def due(self, kind: Hashable) -> int | None:
        """Return how many of this kind were left out since the last; None: leave this one out, too."""
        now = self._clock()
        written, left_out = self._kinds.get(kind, (float("-inf"), 0))
        if now - written < self._every_s:
            self._kinds[kind] = (written, left_out + 1)
            return None
        if len(self._kinds) >= _KINDS:
            self._kinds.clear()
        self._kinds[kind] = (now, 0)
        return left_out


class RepeatedFilter(logging.Filter):
    """Lets one line of each kind through in a while, for a library that writes one for each bad request."""

    def __init__(self) -> None:
        super().__init__()
        self._repeated = Repeated()

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop a repeated warning or error; the next one that is written says how many there were."""
        if record.levelno < logging.WARNING:
            return True
        left_out = self._repeated.due(_kind(record))
        if left_out:
            record.msg = f"{record.getMessage().rstrip()} ({left_out} more like it before)"
            record.args = None
        return left_out is not None


def _kind(record: logging.LogRecord) -> Hashable:
    """Tell lines apart by their text before values are put in, and errors by their place in the code."""
    error = record.exc_info[1] if record.exc_info else None
    place = error.__traceback__ if error else None
    while place and place.tb_next:
        place = place.tb_next
    where = (place.tb_frame.f_code.co_filename, place.tb_lineno) if place else None
    return record.msg, type(error), where
