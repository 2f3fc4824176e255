"""What stands before the directory: only registrations that their agent signed, and that its grant allows."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Final

from orchestrator.refusals import Refusals
from signalbox.control.models import AgentGranted, AgentRegistered
from signalbox.gate.control_records import ControlRecords
from signalbox.kafka import KafkaSettings, Reader
from signalbox.process.retry import retry_while_unavailable
from signalbox.protocol.errors import ConfigurationError, Refusal, Unavailable
from signalbox.protocol.names import AGENT_GRANTS, AGENT_REGISTRY, AgentId
from signalbox.protocol.records import Record
from signalbox.telemetry import Readiness, logger
from signalbox.trust import Fault, Grant, Registrations, TrustSettings, Untrusted, agent_of
from signalbox_decide.announcements import Announcements

_log = logger(__name__)
_PAUSE_S: Final = 0.001

Apply = Callable[[Record], Awaitable[str | None]]
"""Takes a trusted record into the directory; returns why it was left out."""


class Trust:
    """Follows the grants, and judges registrations by them."""

    def __init__(self, control: ControlRecords, settings: TrustSettings, readiness: Readiness) -> None:
        self._control = control
        self._announcements = Announcements(control)
        self._registrations = Registrations(settings)
        self.refusals = Refusals(readiness)
        self.grants_read = asyncio.Event()

    async def follow(self, kafka: KafkaSettings, readiness: Readiness, client_id: str, remove: Apply) -> None:
        """Read the grants from their beginning, without an end; ``remove`` gets tombstones of ours."""
        newest: dict[bytes | None, Record] = {}
        async for records, caught_up in read_topics(kafka, [AGENT_GRANTS], readiness, "grants", client_id):
            newest |= {record.key: record for record in records}
            if not caught_up:  # an old grant must not count for a moment when the topic is read once more
                continue
            for record in newest.values():
                await retry_while_unavailable(partial(self.take_grant, record, remove), readiness)
            newest.clear()
            readiness.done("grants")
            self.grants_read.set()
            self.refusals.look_at_the_clock()

    async def take_grant(self, record: Record, remove: Apply) -> None:
        """Take one grant; an agent that it does not allow, or that was removed, leaves the directory."""
        try:
            agent = agent_of(record)
        except Untrusted as error:
            _log.error("grant ignored", why=str(error), offset=record.offset)
            return
        withdrawn = await self._granted(agent, record)
        if withdrawn:
            _log.warning("agent withdrawn", agent=agent, why="its grant does not allow what it announced")
        if withdrawn or self._registrations.was_removed(agent):
            await remove(Record(AGENT_REGISTRY, 0, -1, agent.encode(), None))

    async def judge(self, record: Record, apply: Apply, caught_up: bool = True) -> None:
        """Hand a registration or tombstone on that counts; tell of one that does not.

        Before the topic was read to its end, what is only old is no news.

        Raises:
            Unavailable: the registry can't be reached.
        """
        try:
            seal = self._registrations.open(record)
            if seal is None:  # it repeats what is in force
                return
            said = None if record.value is None else await self._read(record)
            former = self._registrations.in_force.get(seal.agent)
            if not self._registrations.accept(seal, said):
                return
            why: str | None = "it was not taken in"
            try:
                why = await apply(record)
            finally:
                if why is not None:  # refused, or interrupted: it is judged once more
                    self._registrations.restore(seal.agent, former)
            if why is not None:
                raise Untrusted(Fault.RECORD, why)
        except Untrusted as error:
            if caught_up or error.fault not in {Fault.REMOVED, Fault.STALE}:
                name = _name(record)
                self.refusals.refused(name, error, at_work=name in self._registrations.in_force)
            # Whoever floods the topic delays news of agents, and takes no time from the work.
            await asyncio.sleep(_PAUSE_S if caught_up else 0)

    async def _read(self, record: Record) -> AgentRegistered:
        try:
            return await self._announcements.read(record)
        except Refusal as error:
            raise Untrusted(Fault.RECORD, str(error)) from error

    async def _granted(self, agent: AgentId, record: Record) -> bool:
        if record.value is None:
            return self._registrations.grant(agent, None)
        try:
            said = await self._control.read(AgentGranted, record)
            return self._registrations.grant(agent, Grant.of(agent, said))
        except (Refusal, ConfigurationError) as error:
            _log.error("grant can't be read", agent=agent, why=str(error))
            return self._registrations.grant(agent, None, readable=False)


async def read_topics(
    settings: KafkaSettings,
    topics: Sequence[str],
    readiness: Readiness,
    part: str,
    client_id: str,
    starting: Callable[[str], float | None] | None = None,
) -> AsyncGenerator[tuple[list[Record], bool], None]:
    """Yield topics' records without an end, and whether their ends were reached once; waits for the broker.

    ``starting(topic)`` may give a time in seconds since the epoch to start from. After the broker was away
    they are read once more from there.
    """
    while True:
        reader = Reader(settings, topics, client_id, starting)
        try:
            async with aclosing(reader.records()) as batches:
                async for batch in batches:
                    yield batch, reader.caught_up
        except Unavailable as error:
            readiness.wait(part, error.detail)
            await asyncio.sleep(1)
        finally:
            await reader.close()


def _name(record: Record) -> str:
    try:
        return agent_of(record)
    except Untrusted:
        return "no agent"
