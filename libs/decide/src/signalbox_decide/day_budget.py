"""One budget a day (UTC) for the router's and all agents' models, counted from what the topics tell."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from signalbox.gate import Accepted
from signalbox.models import NANOS, nanos_of, usd
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.errors import Paused
from signalbox.protocol.headers import CE, DL
from signalbox.protocol.names import Headers
from signalbox_decide.asking import Chooser
from signalbox_decide.clock import SYSTEM, Clock
from signalbox_decide.router import Choice

PART: Final = "day budget"
"""What is waited for, where readiness says so."""

_LONGEST_COUNT: Final = 15
_LOOK_AGAIN_S: Final = 15.0
"""A message that waits is decided on from its beginning each time, and there may be many of them."""
_A_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Used:
    """What model requests took: tokens, and their cost in billionths of a US dollar."""

    tokens: int = 0
    cost: int = 0

    def __add__(self, other: "Used") -> "Used":
        return Used(self.tokens + other.tokens, self.cost + other.cost)

    def at_most(self, most: "Used") -> "Used":
        """Return it, or ``most`` of what is more."""
        return Used(min(self.tokens, most.tokens), min(self.cost, most.cost))


MOST: Final = Used(tokens=10_000_000, cost=100 * NANOS)
"""What one message may have taken: ten million tokens, a hundred US dollars."""


def used_by(headers: Headers) -> Used:
    """Return what a message, or a route, says that it took; what can't be read is nothing.

    Beyond :data:`MOST` nothing is believed: one foreign record must not end a day.
    """
    return _read(headers, CE.USEDTOKENS, CE.USEDCOST).at_most(MOST)


def used_in_vain(headers: Headers) -> Used:
    """Return what a dead letter says that no route tells of."""
    return _read(headers, DL.TOKENS, DL.COST)


def _read(headers: Headers, tokens: str, cost: str) -> Used:
    last = dict(headers)
    return Used(_count(last.get(tokens)), _count(last.get(cost)))


def _count(value: bytes | None) -> int:
    return int(value) if value and value.isdigit() and len(value) <= _LONGEST_COUNT else 0


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be used in a day; ``cost`` is in billionths of a US dollar. None: without a limit.

    From the share ``warn_at`` on, the operator is warned.
    """

    tokens: int | None = None
    cost: int | None = None
    warn_at: float = 0.8

    @classmethod
    def of(cls, tokens: int | None, dollars: float | None, warn_at: float) -> "Limits":
        """Make the limits that settings say."""
        return cls(tokens, None if dollars is None else nanos_of(dollars), warn_at)

    @property
    def are_set(self) -> bool:
        """True when there is one."""
        return self.tokens is not None or self.cost is not None

    def share(self, used: Used) -> float:
        """Return how much of the budget ``used`` is, by the limit that is nearer; 1 is all of it."""
        shares = [got / limit for got, limit in ((used.tokens, self.tokens), (used.cost, self.cost)) if limit]
        return max(shares, default=0.0)

    def told(self, used: Used) -> str:
        """Say what is used of what may be."""
        tokens = [] if self.tokens is None else [f"{used.tokens} of {self.tokens} tokens"]
        money = [] if self.cost is None else [f"{usd(used.cost)} of {usd(self.cost)}"]
        return " and ".join(tokens + money)


@dataclass(frozen=True, slots=True)
class Pause:
    """From when until when one replica waited for a budget; it ends with its day at the latest."""

    replica: str
    since: datetime
    until: datetime | None = None

    @property
    def ends(self) -> datetime:
        """When it ended, or will end at the latest."""
        midnight = datetime.combine(self.since.date() + _A_DAY, time(), UTC)
        return midnight if self.until is None else min(self.until, midnight)


@dataclass
class DayBudget:
    """Counts what this day took, and says whether a model may be asked.

    Costs are counted when they are told, so what is under way when a budget is used up still comes on top.
    """

    limits: Limits
    clock: Clock = SYSTEM
    _counted: tuple[date, Used] = (date.min, Used())
    _pauses: dict[tuple[str, datetime], Pause] = field(default_factory=dict)

    @property
    def today(self) -> Used:
        """What this day took so far."""
        day, used = self._counted
        return used if day == self.clock.now().date() else Used()

    @property
    def share(self) -> float:
        """How much of this day's budget is used; 1 is all of it."""
        return self.limits.share(self.today)

    @property
    def is_spent(self) -> bool:
        """True when nothing is left of this day's."""
        return self.share >= 1

    def told(self) -> str:
        """Say what is used of this day's budget."""
        return self.limits.told(self.today)

    def count(self, used: Used, at: datetime) -> None:
        """Count what was told at a time; what is of a day to come was told today."""
        today = self.clock.now().date()
        if at.astimezone(UTC).date() >= today:
            self._counted = today, self.today + used

    def note(self, pause: Pause) -> None:
        """Remember a pause, or when one ended."""
        self._pauses[pause.replica, pause.since] = pause

    def open_pause(self, replica: str) -> Pause | None:
        """Return the pause of ``replica`` that has not ended by now."""
        now = self.clock.now()
        mine = (pause for pause in self._pauses.values() if pause.replica == replica and pause.until is None)
        return next((pause for pause in mine if pause.ends > now), None)

    def waited(self, since: datetime, until: datetime) -> timedelta:
        """Return how long some replica waited for a budget between two times."""
        total, reached = timedelta(0), since
        for pause in sorted(self._pauses.values(), key=lambda pause: pause.since):
            first, last = max(pause.since, reached), min(pause.ends, until)
            if first < last:
                total += last - first
                reached = last
        return total

    def require(self) -> None:
        """Return when a model may be asked.

        Raises:
            Paused: this day's budget is used up.
        """
        if self.is_spent:
            why = f"{self.told()} are used; it goes on at 00:00 UTC, or with a higher one"
            raise Paused(PART, why, retry_after=_LOOK_AGAIN_S)


class WithinBudget:
    """Asks ``router`` while the day's budget lasts."""

    def __init__(self, router: Chooser, budget: DayBudget) -> None:
        self._router = router
        self._budget = budget

    async def choose(self, message: Accepted, candidates: Sequence[AgentDefinition]) -> Choice:
        """Choose one of ``candidates``.

        Raises:
            Paused: the budget is used up for now; and what ``router`` raises.
        """
        self._budget.require()
        return await self._router.choose(message, candidates)
