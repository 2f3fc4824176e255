"""Where messages are handled: each once, a bounded number at a time, and durable before it is answered."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from time import perf_counter

from prometheus_client import Counter, Gauge, Histogram
from pydantic import BaseModel
from structlog.typing import FilteringBoundLogger

from signalbox.models import ModelRefused
from signalbox.protocol.envelope import Envelope
from signalbox.protocol.errors import (
    ConfigurationError,
    Fatal,
    Refusal,
    SignalboxError,
    Unavailable,
    Unwritable,
)
from signalbox.protocol.headers import CE
from signalbox.protocol.names import AGENT_MESSAGES, LeadId
from signalbox.protocol.reasons import Reason
from signalbox.protocol.records import Draft
from signalbox.telemetry import hide_from_logs, logger
from signalbox_agent.contracts import OwnContracts
from signalbox_agent.kit import Agent, Message, Refuse
from signalbox_agent.parts import Parts
from signalbox_agent.problems import Problem, problem_of, unavailable
from signalbox_agent.store import Answer, Identity
from signalbox_agent.work import TaskModel, Work

_log = logger(__name__)
_HANDLED = Counter("signalbox_agent_messages_total", "Messages answered, by HTTP status", ["agent", "status"])
_SECONDS = Histogram("signalbox_agent_message_seconds", "Time to a durable answer", ["agent"])
_IN_FLIGHT = Gauge("signalbox_agent_in_flight", "Messages worked on or waiting", ["agent"])


_FORESEEN = (Problem, Unavailable, Unwritable, Refusal, Refuse, ModelRefused)
"""What is no fault of this process: said in a line. Anything else is logged with its traceback."""


class UndeclaredAnswer(SignalboxError):
    """A handler gave nothing, or a record that ``agent.yaml`` doesn't declare: a fault in its code."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that was posted. ``read`` decodes its record; it isn't called for a message that is known."""

    envelope: Envelope
    lead_id: LeadId
    read: Callable[[], Awaitable[BaseModel]]

    @property
    def identity(self) -> Identity:
        """Return what makes it the same message when it is posted again."""
        return Identity.of(self.envelope, self.lead_id)


class IdempotentHandler:
    """Takes messages for one agent."""

    def __init__(self, agent: Agent, contracts: OwnContracts, parts: Parts) -> None:
        self._agent = agent
        self._id = agent.definition.id
        self._contracts = contracts
        self._parts = parts
        self._slots = asyncio.Semaphore(parts.settings.concurrency)
        self._limit = parts.settings.concurrency + parts.settings.queue_limit
        self._in_flight: dict[Identity, asyncio.Task[list[Answer]]] = {}

    async def take(self, delivery: Delivery) -> list[Answer]:
        """Return the durable answers to a message; the same message posted meanwhile shares the work.

        Raises:
            Problem: too many messages are waiting.
            Exception: what went wrong with the message; :func:`problem_of` says what to answer.
        """
        identity = delivery.identity
        if identity not in self._in_flight:
            if len(self._in_flight) >= self._limit:
                raise unavailable("too many messages are waiting")
            # One context for both: what the work hides from the logs is hidden from its end's line, too.
            context = copy_context()
            task = asyncio.create_task(self._handle(delivery), context=context)
            self._in_flight[identity] = task
            task.add_done_callback(lambda done: self._settle(delivery, done), context=context)
            _IN_FLIGHT.labels(self._id).inc()
        # A caller that hangs up must not stop the work: it will ask again, and find the answer.
        return await asyncio.shield(self._in_flight[identity])

    async def drain(self, timeout_s: float) -> None:
        """Wait until what is in flight is done, for at most ``timeout_s`` seconds; then give it up."""
        tasks = list(self._in_flight.values())
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=timeout_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _handle(self, delivery: Delivery) -> list[Answer]:
        """Answer one message, in an order that a crash at any point can't spoil.

        1. A message that is known gets its answers again.
        2. Work: the model is called, a mail is scheduled.
        3. The answers are kept: from here on, they are what this message gets.
        4. They are published, and the broker has them. Only then is the message answered.
        """
        async with self._slots:
            started = perf_counter()
            identity = delivery.identity
            answers = await asyncio.to_thread(self._parts.store.recall, identity)
            if not answers:
                fresh = await self._work(delivery)
                answers = await asyncio.to_thread(self._parts.store.remember, identity, fresh)
            await self._publish(answers)
            _SECONDS.labels(self._id).observe(perf_counter() - started)
            return answers

    async def _work(self, delivery: Delivery) -> list[Answer]:
        envelope = delivery.envelope
        record = await delivery.read()
        hide_from_logs(self._contracts.personal_values(envelope.type, record))
        model = TaskModel(self._parts.model, envelope.id)
        work = Work(model, self._log_of(envelope), self._contracts.violation)
        given = await self._agent.handle(Message(envelope, delivery.lead_id, record), work)
        return self._answers(delivery, given, model)

    def _answers(self, delivery: Delivery, given: Sequence[BaseModel], model: TaskModel) -> list[Answer]:
        if not given:
            raise UndeclaredAnswer("the handler gave no record; raise Refuse to refuse a message")
        answers = []
        prompts = ",".join(dict.fromkeys(model.prompts))
        told = ((CE.PROMPTVERSION, prompts.encode()),) if prompts else ()
        for ordinal, record in enumerate(given):
            contract = self._contracts.of_output(record)
            if contract is None:
                raise UndeclaredAnswer(f"the handler gave a {type(record).__name__}, not a declared output")
            envelope = delivery.envelope.answered_by(
                self._id,
                contract.record_type,
                ordinal,
                source=self._id,
                tokens=0 if ordinal else model.tokens,
                cost=0 if ordinal else model.cost,
            )
            key, value = delivery.lead_id.encode(), self._contracts.encode(contract, record)
            headers = (*envelope.headers(), *told)
            answers.append(Answer(envelope.id, contract.record_type, key, value, headers))
        return answers

    async def _publish(self, answers: Sequence[Answer]) -> None:
        drafts = [Draft(AGENT_MESSAGES, answer.key, answer.value, answer.headers) for answer in answers]
        try:
            await self._parts.producer.publish(*drafts)
        except Unwritable as error:
            if error.misplaced:  # the topic is at fault, and will be there once more
                raise
            raise Refusal(Reason.TOO_LARGE, f"its answer can't be written: {error.detail}") from error
        except (Fatal, ConfigurationError):
            self._parts.stop()
            raise

    def _settle(self, delivery: Delivery, done: "asyncio.Task[list[Answer]]") -> None:
        del self._in_flight[delivery.identity]
        _IN_FLIGHT.labels(self._id).dec()
        log = self._log_of(delivery.envelope)
        if done.cancelled():
            log.warning("message_given_up")
            return
        match done.exception():
            case None:
                _HANDLED.labels(self._id, "200").inc()
                log.info("message_answered", answers=[answer.record_type for answer in done.result()])
            case error if isinstance(error, Exception):
                problem = problem_of(error)
                _HANDLED.labels(self._id, str(problem.status.value)).inc()
                if isinstance(error, _FORESEEN):
                    log.warning("message_not_handled", status=problem.status.value, reason=problem.reason)
                else:
                    log.error("message_failed", exc_info=error)

    def _log_of(self, envelope: Envelope) -> FilteringBoundLogger:
        return _log.bind(
            agent=self._id,
            message_id=envelope.id,
            record_type=envelope.type,
            correlation_id=envelope.correlation_id,
        )
