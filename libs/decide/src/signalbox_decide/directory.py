"""The agents that there are, by what was announced and who was reached."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any

from prometheus_client import Counter, Gauge

from signalbox.gate.control_records import ControlRecords
from signalbox.protocol.agent_definition import AgentDefinition
from signalbox.protocol.errors import ConfigurationError, Refusal
from signalbox.protocol.names import AgentId, RecordType
from signalbox.protocol.records import Record
from signalbox.telemetry import logger
from signalbox.trust import Untrusted, agent_of
from signalbox_decide.announcements import Announcements
from signalbox_decide.clock import SYSTEM, Clock
from signalbox_decide.registered import RegisteredAgent, registered
from signalbox_decide.reporting import Report, untold
from signalbox_decide.seats import FULL, Seats, WaitingList

_log = logger(__name__)
_AGENTS = Gauge("signalbox_agents", "Agents in the directory")
_REFUSED = Counter("signalbox_registrations_left_out", "Trusted registrations that were left out", ["why"])
Watch = Callable[[Sequence[AgentDefinition]], None]


class Directory:
    """Takes registrations in; the newest of an agent counts, a tombstone removes it."""

    def __init__(
        self,
        control: ControlRecords,
        endpoint_allow: str,
        seats: Seats | None = None,
        report: Report = untold,
        clock: Clock = SYSTEM,
    ) -> None:
        self._announcements = Announcements(control, clock)
        self._allowed = re.compile(endpoint_allow)
        self._seats = seats or Seats()
        self._clock = clock
        self._agents: dict[AgentId, RegisteredAgent] = {}
        self._known_since: dict[AgentId, float] = {}
        self._reached: dict[AgentId, str] = {}
        self._routed: set[AgentId] = set()
        self._waiting = WaitingList(self._seats.limit, report)
        self._judge: Callable[[Record], Awaitable[object]] = self.apply
        self._watch: Watch = _unwatched
        self._changed = asyncio.Event()
        self.changed_at = 0.0
        self.read_to_its_end = asyncio.Event()

    @property
    def agents(self) -> Mapping[AgentId, RegisteredAgent]:
        """The agents by id."""
        return self._agents

    @property
    def at_work(self) -> frozenset[AgentId]:
        """The agents that were reached, and those that routes may wait for, removed ones too."""
        return frozenset(agent for agent in self._agents if self.was_reached(agent)) | self._routed

    @property
    def unreached(self) -> frozenset[AgentId]:
        """The agents that never answered where they say that they live."""
        return frozenset(agent for agent in self._agents if not self.was_reached(agent))

    def known_since(self, agent: AgentId) -> float:
        """Return when ``agent`` announced itself first, in the loop's time; another address is no news."""
        return self._known_since[agent]

    def was_reached(self, agent: AgentId) -> bool:
        """True when the agent answered at the endpoint that it has now, be it long ago."""
        known = self._agents.get(agent)
        return known is not None and self._reached.get(agent) == known.definition.endpoint

    def reached(self, agent: AgentId, endpoint: str) -> None:
        """Note that ``agent`` answered at ``endpoint``."""
        if self._reached.get(agent) != endpoint:
            self._reached[agent] = endpoint
            _log.info("agent reached", agent=agent)
            self._notify()

    def route_to(self, agent: AgentId) -> None:
        """Note that a route is written to ``agent``, which needs a dispatcher until :meth:`released`."""
        if agent not in self._routed and not self.was_reached(agent):
            self._routed.add(agent)
            self._notify()

    def released(self, agent: AgentId) -> None:
        """Note that no route waits for ``agent`` any more."""
        self._routed.discard(agent)
        self._notify()

    @property
    def to_remember(self) -> dict[AgentId, str]:
        """What :meth:`remember` takes after a restart: where each agent at work was reached, or nothing."""
        return {agent: self._reached.get(agent, "") for agent in sorted(self.at_work)}

    def remember(self, kept: Mapping[AgentId, str]) -> None:
        """Take over what an earlier process knew; those that are gone since have routes to be released."""
        self._reached = {agent: endpoint for agent, endpoint in kept.items() if endpoint}
        self._routed = set(kept)

    def taking(self, record_type: RecordType) -> list[RegisteredAgent]:
        """Return the agents that take ``record_type``, conditions aside, in the order of their ids."""
        return [agent for _, agent in sorted(self._agents.items()) if agent.takes(record_type)]

    def announces(self, record_type: RecordType) -> bool:
        """True when some agent takes or gives ``record_type``."""
        return any(
            agent.takes(record_type) or record_type in _gives(agent) for agent in self._agents.values()
        )

    def ends_with(self, record_type: RecordType, source: str) -> bool:
        """True when ``source`` is an agent that gives ``record_type`` as a terminal one."""
        agent = self._agents.get(AgentId(source))
        return agent is not None and _gives(agent).get(record_type, False)

    def change(self, timeout_s: float | None) -> Coroutine[Any, Any, None]:
        """Wait for the next registration or removal after this call, at most ``timeout_s`` seconds."""
        # The event is taken here and not inside the coroutine, which may begin later: a change in between
        # would not be noticed.
        return _set_within(self._changed, timeout_s)

    def judged_by(self, judge: Callable[[Record], Awaitable[object]]) -> None:
        """Have one that waited for a seat judged once more: its grant or its key may be another since."""
        self._judge = judge

    def watched_by(self, watch: Watch) -> None:
        """Have ``watch`` called with all definitions whenever one came, changed or went."""
        self._watch = watch

    def is_read(self) -> None:
        """Note that what was announced so far is known."""
        if not self.read_to_its_end.is_set():
            # What was at work once and is not here any more has routes to be released, and no endpoint.
            self._reached = {agent: at for agent, at in self._reached.items() if agent in self._agents}
            self.read_to_its_end.set()
            self._notify()

    async def apply(self, record: Record) -> str | None:
        """Take one trusted registration or tombstone into the directory; return why it was left out.

        A bad definition must not stop the others, and must not receive anybody's data.
        """
        try:
            agent = agent_of(record)
        except Untrusted as error:
            return _left_out("key", str(error))
        if record.value is None:
            await self._remove(agent)
            return None
        if not self._seats.has_one_for(agent, self._agents.keys() | self._reached.keys()):
            self._waiting.add(agent, record)
            return _left_out("limit", FULL)
        try:
            taken = registered(agent, await self._announcements.read(record), self._allowed)
        except (Refusal, ConfigurationError, ValueError) as error:
            return _left_out("definition", str(error))
        if self._agents.get(agent) != taken:
            self._agents[agent] = taken
            self._known_since.setdefault(agent, self._clock.elapsed())
            self._changed_by(agent)
        return None

    async def _remove(self, agent: AgentId) -> None:
        self._waiting.leave(agent)
        if agent not in self._agents:
            return
        if self.was_reached(agent):
            self._routed.add(agent)
        del self._agents[agent], self._known_since[agent]
        self._reached.pop(agent, None)
        self._changed_by(agent)
        if (announcement := self._waiting.next()) is not None:
            await self._judge(announcement)

    def _changed_by(self, agent: AgentId) -> None:
        _log.info("directory changed", agent=agent, removed=agent not in self._agents)
        _AGENTS.set(len(self._agents))
        self.changed_at = self._clock.elapsed()
        self._watch([known.definition for known in self._agents.values()])
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _unwatched(_: Sequence[AgentDefinition]) -> None:
    """Look at nothing."""


def _left_out(kind: str, why: str) -> str:
    _REFUSED.labels(kind).inc()
    return why


def _gives(agent: RegisteredAgent) -> dict[RecordType, bool]:
    return {entry.record_type: entry.terminal for entry in agent.definition.output}


async def _set_within(event: asyncio.Event, timeout_s: float | None) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), timeout_s)
