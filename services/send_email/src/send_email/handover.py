"""Handing one mail over: the port, and its outcomes."""

from dataclasses import dataclass
from typing import Protocol

from send_email.mails import Mail


@dataclass(frozen=True, slots=True)
class Delivered:
    """The other side has taken responsibility for the mail."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The other side will never take this mail. ``doubtful``: it may have meant us and not the mail."""

    reason: str
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Deferred:
    """The other side has certainly not taken the mail, and may do so later."""

    reason: str


@dataclass(frozen=True, slots=True)
class Stopped(Deferred):
    """The other side takes nothing from us now, whoever it is for: an operator has to act."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The mail was given away and no answer came: it may or may not have been taken."""

    reason: str


Outcome = Delivered | Refused | Deferred | Unanswered


class Handover(Protocol):
    """Where mails go. ``repeatable``: handing the same mail over again changes nothing."""

    @property
    def repeatable(self) -> bool: ...

    async def deliver(self, mail: Mail) -> Outcome: ...
