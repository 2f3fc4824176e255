"""Following what models take each day, and telling people when nothing is left of a day's budget."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Final

from prometheus_client import Gauge

from orchestrator.settings import OrchestratorSettings
from orchestrator.trust import read_topics
from signalbox.control.models import DayBudgetSpent
from signalbox.gate.control_records import ControlRecords, record_type_of
from signalbox.kafka import KafkaSettings, Producer
from signalbox.process.retry import retry_while_unavailable
from signalbox.protocol.envelope import Envelope, derived_id
from signalbox.protocol.errors import Refusal
from signalbox.protocol.headers import CE
from signalbox.protocol.names import (
    AGENT_MESSAGES,
    AGENT_ROUTES,
    GOVERNANCE_AUDIT,
    CorrelationId,
    MessageId,
    dead_letter_topic,
)
from signalbox.protocol.records import Draft, Record
from signalbox.telemetry import Readiness, logger
from signalbox_decide.clock import Clock
from signalbox_decide.day_budget import PART, DayBudget, Limits, Pause, used_by, used_in_vain
from signalbox_decide.decisions import SOURCE

_log = logger(__name__)
_USED = Gauge("signalbox_day_budget_used_ratio", "Share of the day's budget for models that is used")
_DEAD_LETTERS: Final = dead_letter_topic(AGENT_MESSAGES)
_READING: Final = "spending"
_LARGEST: Final = 2**63 - 1
_TOPICS: Final = (AGENT_ROUTES, _DEAD_LETTERS, GOVERNANCE_AUDIT)
_PAUSES_COUNT: Final = timedelta(days=8)
"""How far back pauses are read: longer than a message can wait on a topic."""

Publish = Callable[[Draft], Awaitable[None]]


class Spending:
    """Counts from the topics what each day took into ``budget``, and tells of its end and of a higher one.

    All replicas count the same records, so each knows of the others' requests once these are decided.
    """

    def __init__(
        self, budget: DayBudget, control: ControlRecords, readiness: Readiness, replica: str
    ) -> None:
        self.budget = budget
        self._control = control
        self._readiness = readiness
        self._replica = replica
        self._next: dict[tuple[str, int], int] = {}
        self.is_read = asyncio.Event()
        """Set when all was counted that was told before the start."""
        readiness.wait(_READING, "starting")
        if budget.limits.are_set:
            readiness.tell(PART, budget.told)

    @classmethod
    def of(
        cls, settings: OrchestratorSettings, control: ControlRecords, readiness: Readiness, clock: Clock
    ) -> "Spending":
        """Make it by the settings."""
        limits = Limits.of(
            settings.llm_day_budget_tokens, settings.llm_day_budget_usd, settings.llm_day_warn_at
        )
        return cls(DayBudget(limits, clock), control, readiness, settings.orchestrator_replica)

    async def follow(self, kafka: KafkaSettings) -> None:
        """Follow the topics, without an end if a budget is set; else only until earlier pauses are known.

        A workflow may have waited for a budget that is not there any more.
        """
        await retry_while_unavailable(self._control.load, self._readiness)  # what is told is written by it
        bounded = self.budget.limits.are_set
        topics = _TOPICS if bounded else (GOVERNANCE_AUDIT,)
        producer = Producer(kafka, "orchestrator-budget")

        async def publish(draft: Draft) -> None:
            await retry_while_unavailable(lambda: producer.publish(draft), self._readiness)

        try:
            reading = read_topics(
                kafka, topics, self._readiness, _READING, "orchestrator-budget", starting=self._starting
            )
            async with aclosing(reading) as batches:
                async for records, caught_up in batches:
                    await self.take(records, publish, caught_up=caught_up)
                    if caught_up and not bounded:
                        break
        finally:
            await producer.close()

    async def take(self, records: Sequence[Record], publish: Publish, *, caught_up: bool) -> None:
        """Count what ``records`` tell; then look at the clock, and tell what has changed."""
        for record in records:
            at = (record.topic, record.partition)
            if record.offset >= self._next.get(at, 0):  # a topic may be read once more
                self._next[at] = record.offset + 1
                await self._count(record)
        if not caught_up:
            return
        self._readiness.done(_READING)
        self.is_read.set()
        self._warn()
        await self._tell(publish)

    def _starting(self, topic: str) -> float:
        now = self.budget.clock.now()
        if topic == GOVERNANCE_AUDIT:
            return (now - _PAUSES_COUNT).timestamp()
        return now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()

    async def _count(self, record: Record) -> None:
        if record.topic != GOVERNANCE_AUDIT:
            used = used_by if record.topic == AGENT_ROUTES else used_in_vain
            self.budget.count(used(record.headers), record.time or self.budget.clock.now())
        elif record.header(CE.TYPE) == record_type_of(DayBudgetSpent).encode():
            try:
                said = await retry_while_unavailable(
                    lambda: self._control.read(DayBudgetSpent, record), self._readiness
                )
            except Refusal as refusal:
                _log.error("a pause can't be read", offset=record.offset, why=str(refusal))
            else:
                self.budget.note(Pause(said.replica, said.since, said.until))

    def _warn(self) -> None:
        share = self.budget.share
        _USED.set(share)
        if self.budget.is_spent:
            why = f"{self.budget.told()} are used: messages wait until 00:00 UTC, or for a higher budget"
        else:
            why = f"{self.budget.told()} are used, {share:.0%} of this day's"
        self._readiness.degraded(PART, why if share >= self.budget.limits.warn_at else None)

    async def _tell(self, publish: Publish) -> None:
        open_pause, now = self.budget.open_pause(self._replica), self.budget.clock.now()
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)  # as a record has it
        if self.budget.is_spent == (open_pause is not None):
            return
        if open_pause is None:
            pause = Pause(self._replica, now)
            _log.error("the day's budget for models is used up: messages wait", used=self.budget.told())
        else:
            pause = Pause(self._replica, open_pause.since, now)
            _log.info("the day's budget for models is a higher one: messages go on", used=self.budget.told())
        self.budget.note(pause)
        await publish(self._record_of(pause, now))

    def _record_of(self, pause: Pause, now: datetime) -> Draft:
        today, limits = self.budget.today, self.budget.limits
        event = DayBudgetSpent(
            replica=pause.replica,
            since=pause.since,
            until=pause.until,
            tokens=min(today.tokens, _LARGEST),
            cost_nano_usd=min(today.cost, _LARGEST),
            token_budget=limits.tokens,
            cost_budget_nano_usd=limits.cost,
        )
        event_id = derived_id(pause.replica, str(pause.since), str(pause.until), PART)
        envelope = Envelope(
            id=MessageId(event_id),
            source=SOURCE,
            type=record_type_of(DayBudgetSpent),
            time=now,
            correlation_id=CorrelationId(event_id),
        )
        key = pause.replica.encode()
        return Draft(GOVERNANCE_AUDIT, key, self._control.write(event), envelope.headers())
