"""The background mailer: hands due mails over, one claim at a time.

0. Look at the held mails whose time has come.
1. Claim: ``handing_over`` is durable in the store, so no other mailer and no restart takes the mail again.
2. Hand over.
3. Write down the outcome. A crash between 1 and 3 leaves a claim that ends as ``unknown``: that a mail
   might not arrive was preferred to a person getting it twice.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from prometheus_client import Counter
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type
from tenacity.wait import wait_random_exponential

from send_email.halting import Halt
from send_email.handover import Deferred, Delivered, Handover, Outcome, Refused, Stopped, Unanswered
from send_email.mails import Claim, Status
from send_email.opening import Opening
from send_email.store import ScheduleStore
from signalbox.protocol.errors import Unavailable
from signalbox.telemetry import Readiness, hide_from_logs, logger

_T = TypeVar("_T")
_LOG = logger(__name__)
_OUTCOMES: Final = Counter("signalbox_mails_total", "Mail handovers by outcome.", ["outcome"])
_PATIENCE: Final = wait_random_exponential(multiplier=0.2, max=5)
_BACKOFF_LIMIT: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Pace:
    """How the mailer works. A lease outlasts any handover; ``give_up`` counts from the first deferral."""

    poll: timedelta = timedelta(seconds=1)
    first_retry: timedelta = timedelta(seconds=30)
    give_up: timedelta = timedelta(days=5)  # RFC 5321 section 4.5.4.1
    handover_limit: timedelta = timedelta(seconds=90)
    lease: timedelta = timedelta(seconds=120)
    at_once: int = 4


class Mailer:
    """Runs until stopped; several may share one store."""

    def __init__(
        self,
        store: ScheduleStore,
        handover: Handover,
        clock: Callable[[], datetime],
        pace: Pace | None = None,
        opening: Opening | None = None,
    ) -> None:
        self._store = store
        self._handover = handover
        self._clock = clock
        self._pace = pace or Pace()
        self._opening = opening or Opening()
        self._halt = Halt(clock, self._pace.first_retry)
        self._stopping = asyncio.Event()

    def report_to(self, readiness: Readiness) -> None:
        """Say in ``/readyz`` when the mail server takes nothing from us."""
        self._halt.report_to(readiness)

    async def run(self) -> None:
        """Hand over what is due, wait, and again; a store that fails is logged and tried again."""
        while not self._stopping.is_set():
            try:
                await self.hand_over_due()
            except Unavailable:
                _LOG.exception("mailer_round_failed")
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._pace.poll.total_seconds())

    def stop(self) -> None:
        """Take no further mail; the handovers under way are finished."""
        self._stopping.set()

    async def hand_over_due(self) -> int:
        """Hand over every mail that is due now; return how many were tried."""
        await asyncio.to_thread(self._prepare, self._clock())
        width = self._halt.width(self._pace.at_once)
        rounds = [asyncio.create_task(self._drain()) for _ in range(width)]
        if not rounds:
            return 0
        await asyncio.wait(rounds)  # all of them, also when one fails: no handover outlives its round
        return sum(each.result() for each in rounds)

    def _prepare(self, now: datetime) -> None:
        self._store.resolve_abandoned(now)
        self._store.plan_unplanned(now, due=True)
        self._store.look_at_held(now)

    async def _drain(self) -> int:
        tried = 0
        while not self._stopping.is_set() and self._halt.may_go():
            claim = await asyncio.to_thread(
                self._store.claim_due, self._clock(), self._pace.lease, repeatable=self._handover.repeatable
            )
            if claim is None:
                break
            await self._settle(claim, await self._deliver(claim))
            tried += 1
        return tried

    async def _deliver(self, claim: Claim) -> Outcome:
        mail = claim.mail
        if claim.opening:
            try:
                mail = await asyncio.to_thread(self._opening.in_place_of, mail)
            except Unavailable as error:  # nothing has left yet
                return Deferred(str(error))
        hide_from_logs([mail.recipient, mail.recipient_name, mail.subject, mail.body])
        try:
            async with asyncio.timeout(self._pace.handover_limit.total_seconds()):
                return await self._handover.deliver(mail)
        except Exception as error:  # noqa: BLE001 - whatever it was, the mail may have been taken
            _LOG.warning("handover_broke_off", message_id=mail.message_id, exc_info=True)
            why = f"the handover broke off: {type(error).__name__}"
            return Deferred(why) if self._handover.repeatable else Unanswered(why)

    async def _settle(self, claim: Claim, answer: Outcome) -> None:
        outcome = self._halt.weigh(claim.mail.message_id, answer)
        _OUTCOMES.labels(type(outcome).__name__.lower()).inc()
        _LOG.info("mail_handed_over", message_id=claim.mail.message_id, outcome=type(outcome).__name__)
        match outcome:
            case Delivered():
                await self._write_down(lambda: self._store.settle(claim, Status.SENT))
            case Stopped(reason):
                await self._wait_for_operator(claim, reason)
            case Refused(reason):
                await self._write_down(lambda: self._store.settle(claim, Status.FAILED, reason))
            case Unanswered(reason):
                await self._write_down(lambda: self._store.settle(claim, Status.UNKNOWN, reason))
            case Deferred(reason):
                await self._try_later(claim, reason)

    async def _wait_for_operator(self, claim: Claim, reason: str) -> None:
        # Due when the next one may be tried, so that others have their turn before it.
        due_at = self._halt.until or self._clock()
        await self._write_down(self._store.deferrals.forget_all)
        await self._write_down(lambda: self._store.put_back(claim, due_at, reason))

    async def _try_later(self, claim: Claim, reason: str) -> None:
        now = self._clock()
        since = await self._write_down(lambda: self._store.deferrals.since(claim.mail.message_id, now))
        if now - since > self._pace.give_up:
            last = f"given up; last: {reason}"
            await self._write_down(lambda: self._store.settle(claim, Status.FAILED, last))
            return
        due_at = now + self._backoff(claim.attempt)
        await self._write_down(lambda: self._store.put_back(claim, due_at, reason))

    async def _write_down(self, outcome: Callable[[], _T]) -> _T:
        """Note an outcome, also when the store is away for a moment: without it the mail ends as unknown.

        Raises:
            Unavailable: the store was away for a whole lease, or until the mailer was stopped.
        """
        patient = AsyncRetrying(
            retry=retry_if_exception_type(Unavailable), wait=_PATIENCE, stop=self._gives_up, reraise=True
        )
        return await patient(asyncio.to_thread, outcome)

    def _gives_up(self, state: RetryCallState) -> bool:
        waited = state.seconds_since_start or 0.0
        return self._stopping.is_set() or waited > self._pace.lease.total_seconds()

    def _backoff(self, attempt: int) -> timedelta:
        full: timedelta = min(_BACKOFF_LIMIT, self._pace.first_retry * 2 ** min(attempt - 1, 16))
        return full * random.uniform(0.5, 1)
