"""Stops all handovers while the server takes nothing from us, and calls an operator.

After a pause one mail at a time is tried, until one is taken; each pause is twice as long as the one before.
No mail is given up for it. But a mail that alone is refused, again and again while others are taken, is at
fault itself: it must not stop the others.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from prometheus_client import Gauge

from send_email.handover import Delivered, Outcome, Refused, Stopped
from signalbox.telemetry import Readiness, logger

_LOG = logger(__name__)
_HALTED: Final = Gauge(
    "signalbox_mail_sending_stopped", "1 while the mail server takes nothing from us, else 0."
)
_PART: Final = "sending"
_LONGEST: Final = timedelta(hours=1)
_DOUBTS: Final = 2
"""So many mails in a row may be refused for who knows what; with the next one it is us."""
_STRIKES: Final = 3


class Halt:
    """Whether mails may be handed over now, from what became of those before."""

    def __init__(self, clock: Callable[[], datetime], first_pause: timedelta) -> None:
        self._clock = clock
        self._first_pause = first_pause
        self._readiness = Readiness()
        self._pauses = 0
        self._doubts = 0
        self._taken = 0
        self._accused: dict[str, tuple[int, int]] = {}
        self.until: datetime | None = None
        """When the next mail may be tried; None while all go."""

    def report_to(self, readiness: Readiness) -> None:
        """Tell ``/readyz`` from now on."""
        self._readiness = readiness

    def width(self, at_once: int) -> int:
        """Return how many mails may be handed over at the same time."""
        if self.until is None:
            return at_once
        return 1 if self.may_go() else 0

    def may_go(self) -> bool:
        """Say whether a mail may be handed over now."""
        return self.until is None or self._clock() >= self.until

    def weigh(self, message_id: str, outcome: Outcome) -> Outcome:
        """Learn from an outcome, and return what it means in the light of those before."""
        match outcome:
            case Delivered():
                self._go_on(message_id)
            case Refused(reason, doubtful=True):
                self._doubts += 1
                if self._doubts > _DOUBTS:
                    return self._stop(message_id, reason)
            case Stopped(reason):
                return self._stop(message_id, reason)
        return outcome

    def _go_on(self, message_id: str) -> None:
        self._taken += 1
        self._doubts = 0
        self._pauses = 0
        self._accused.pop(message_id, None)
        if self.until is not None:
            _LOG.info("sending_goes_on")
        self.until = None
        _HALTED.set(0)
        self._readiness.degraded(_PART, None)

    def _stop(self, message_id: str, reason: str) -> Outcome:
        strikes, taken = self._accused.get(message_id, (0, self._taken))
        strikes += self._taken > taken
        self._accused[message_id] = strikes, self._taken
        if strikes >= _STRIKES:
            del self._accused[message_id]
            return Refused(f"others are taken, this one is not: {reason}")
        if self.may_go():  # else another handover of the same moment has said so
            pause = min(_LONGEST, self._first_pause * 2 ** min(self._pauses, 16))
            self._pauses += 1
            self.until = self._clock() + pause
        _HALTED.set(1)
        why = f"the mail server takes nothing from us, an operator has to act: {reason}"
        self._readiness.degraded(_PART, why)
        _LOG.error("sending_stopped", reason=reason, next_try=str(self.until))
        return Stopped(reason)
