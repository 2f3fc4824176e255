"""When it is not the moment but the message: it alone fails, again and again, while others succeed.

A non-answer says nothing about a message, so it waits. But a message of which the other side always fails
would wait without an end. It is told apart by what others meet meanwhile: it is the message's own failure
when so many failures in a row would be next to impossible if it failed no more often than they do.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

_REMEMBERED: Final = 10_000
_OTHERS_REMEMBERED: Final = 200


@dataclass(slots=True)
class _Case:
    """One message that failed: how often since others last did, and who else did what since it began."""

    failures: int = 0
    others_succeeded: bool = False
    successes: int = 0
    succeeded: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)

    def credit(self, message: str) -> None:
        self.others_succeeded = True
        self.successes += 1
        if len(self.succeeded) < _OTHERS_REMEMBERED:
            self.succeeded.add(message)


class OwnFailures:
    """Counts, per message, its failures in a row and how others fared between them; in memory alone.

    A failure counts when another message succeeded since the one before it, so an outage that all meet
    counts once. ``tries`` failures and ``others`` distinct successes are needed at least; more when others
    fail, too: the chance of such a row must be under ``chance``.
    """

    def __init__(self, *, tries: int = 8, others: int = 3, chance: float = 1e-6) -> None:
        self._tries = tries
        self._others = others
        self._chance = chance
        self._cases: OrderedDict[tuple[str, str], _Case] = OrderedDict()
        self._lock = threading.Lock()

    def failed(self, message: str, question: str = "") -> bool:
        """Note that a ``question`` of ``message`` failed; tell whether that is its own doing.

        If so, it is forgotten: what the caller says then is the end of it.
        """
        with self._lock:
            for (other, _), case in self._cases.items():
                if other != message and len(case.failed) < _OTHERS_REMEMBERED:
                    case.failed.add(message)
            case = self._cases.setdefault((message, question), _Case())
            self._cases.move_to_end((message, question))
            if len(self._cases) > _REMEMBERED:
                self._cases.popitem(last=False)
            if case.failures and not case.others_succeeded:
                return False
            case.failures += 1
            case.others_succeeded = False
            if not self._is_own(case):
                return False
            del self._cases[message, question]
            return True

    def succeeded(self, message: str, question: str = "") -> None:
        """Note that it was answered: it is suspected no more, and speaks against those of others."""
        with self._lock:
            self._cases.pop((message, question), None)
            for (other, _), case in self._cases.items():
                if other != message:
                    case.credit(message)

    def _is_own(self, case: _Case) -> bool:
        if case.failures < self._tries or len(case.succeeded) < self._others:
            return False
        # How often others fail, each of them counted once, with Laplace's correction for few of them.
        rate = (len(case.failed) + 1) / (len(case.failed) + case.successes + 2)
        return bool(rate**case.failures < self._chance)
