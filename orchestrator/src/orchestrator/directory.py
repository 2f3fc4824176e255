"""The agents that there are: a view of the compacted topic ``agent_registry``."""

import asyncio
import re
from collections import deque
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final

from prometheus_client import Counter, Gauge

from orchestrator.registered import RegisteredAgent, registered
from orchestrator.seats import Seats
from orchestrator.trust import Trust, read_topic
from signalbox.control import ControlRecords
from signalbox.errors import ConfigurationError, Refusal
from signalbox.kafka import KafkaSettings
from signalbox.names import AGENT_REGISTRY, AgentId, RecordType
from signalbox.patience import patiently
from signalbox.reasons import Reason
from signalbox.records import Record
from signalbox.telemetry import Readiness, logger
from signalbox_contracts.control import AgentRegistered

_log = logger(__name__)
_AGENT_ID: Final = re.compile(r"[a-z][a-z0-9._-]{0,63}")
_AGENTS = Gauge("signalbox_agents", "Agents in the directory")
_REFUSED = Counter("signalbox_registrations_left_out", "Trusted registrations that were left out", ["why"])
_FULL: Final = "there are AGENT_LIMIT agents: remove one (`signalbox agents remove`), or raise it"
_LARGEST: Final = 64 * 1024
"""An announcement, in bytes: it is read before anybody knows who made it."""
_STRANGE_SCHEMAS: Final = 64
_STRANGE_S: Final = 60.0
"""So many schemas that are no announcement's are asked for in this time, in seconds."""
_TOLD: Final = 100
"""Lines in the log about what was left out, in the same time."""
_FRAME: Final = 5
_NO_ANNOUNCEMENT: Final = frozenset({Reason.UNKNOWN_SCHEMA, Reason.NOT_ADMITTED})


class Directory:
    """Follows the registrations; the newest of an agent counts, a tombstone removes it."""

    def __init__(
        self,
        control: ControlRecords,
        endpoint_allow: str,
        seats: Seats | None = None,
        readiness: Readiness | None = None,
    ) -> None:
        self._control = control
        self._allowed = re.compile(endpoint_allow)
        self._seats = seats or Seats()
        self._schemas = _Schemas()
        self._readiness = readiness or Readiness()
        self._agents: dict[AgentId, RegisteredAgent] = {}
        self._known_since: dict[AgentId, float] = {}
        self._reached: dict[AgentId, str] = {}
        self._routed: set[AgentId] = set()
        self._turned_away: dict[AgentId, Record] = {}
        self._told_at: deque[float] = deque()
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

    async def follow(
        self, settings: KafkaSettings, readiness: Readiness, client_id: str, trust: Trust
    ) -> None:
        """Read the topic from its beginning, without an end; ready once its end was reached."""
        await trust.grants_read.wait()
        async for records, caught_up in read_topic(
            settings, AGENT_REGISTRY, readiness, "directory", client_id
        ):
            for record in records:
                await patiently(partial(trust.judge, record, self.apply, caught_up), readiness)
            if caught_up:
                readiness.done("directory")
                self._is_read()

    def _is_read(self) -> None:
        if not self.read_to_its_end.is_set():
            # What was at work once and is not here any more has routes to be released, and no endpoint.
            self._reached = {agent: at for agent, at in self._reached.items() if agent in self._agents}
            self.read_to_its_end.set()
            self._notify()

    async def apply(self, record: Record) -> str | None:
        """Take one trusted registration or tombstone into the directory; return why it was left out.

        What can't be read or is not allowed is logged and left out: a bad definition must not stop the
        others, and must not receive anybody's data.
        """
        agent = AgentId((record.key or b"").decode(errors="replace"))
        if not _AGENT_ID.fullmatch(agent):
            return self._left_out(agent, "key", "the key is no agent id")
        if record.value is None:
            await self._remove(agent)
            return None
        if (unread := self._why_unread(agent, record, record.value)) is not None:
            return self._left_out(agent, *unread)
        try:
            taken = registered(agent, await self._control.read(AgentRegistered, record), self._allowed)
        except (Refusal, ConfigurationError, ValueError) as error:
            if isinstance(error, Refusal) and error.reason in _NO_ANNOUNCEMENT:
                self._schemas.is_strange(record.value)
            return self._left_out(agent, "definition", str(error))
        self._schemas.is_good(record.value)
        if self._agents.get(agent) != taken:
            self._agents[agent] = taken
            self._known_since.setdefault(agent, asyncio.get_running_loop().time())
            self._changed_by(agent)
        return None

    def _why_unread(self, agent: AgentId, record: Record, value: bytes) -> tuple[str, str] | None:
        if len(value) > _LARGEST:
            return "size", f"it has more than {_LARGEST} bytes"
        if not self._seats.has_one_for(agent, self._agents.keys() | self._reached.keys()):
            self._turn_away(agent, record)
            return "limit", _FULL
        if not self._schemas.may_be_asked(value):
            return "schema", "its schema is no announcement's; that was asked less than a minute ago"
        return None

    async def _remove(self, agent: AgentId) -> None:
        if self._turned_away.pop(agent, None):
            self._tell_turned_away()
        if agent not in self._agents:
            return
        if self.was_reached(agent):
            self._routed.add(agent)
        del self._agents[agent], self._known_since[agent]
        self._reached.pop(agent, None)
        self._changed_by(agent)
        if self._turned_away:
            waiting = next(iter(self._turned_away))
            record = self._turned_away.pop(waiting)
            self._tell_turned_away()
            await self.apply(record)

    def _turn_away(self, agent: AgentId, record: Record) -> None:
        # One that waits comes in when a seat is free. Only so many wait: the rest announce themselves again.
        if agent in self._turned_away or len(self._turned_away) < self._seats.limit:
            self._turned_away[agent] = record
        self._tell_turned_away()

    def _tell_turned_away(self) -> None:
        waiting = ", ".join(list(self._turned_away)[:5])
        why = f"{len(self._turned_away)} or more refused ({waiting}): {_FULL}" if waiting else None
        self._readiness.degraded("agent registrations", why)

    def _left_out(self, agent: AgentId, kind: str, why: str) -> str:
        _REFUSED.labels(kind).inc()
        now = asyncio.get_running_loop().time()
        while self._told_at and self._told_at[0] < now - _STRANGE_S:
            self._told_at.popleft()
        if len(self._told_at) < _TOLD:  # the metric counts all; a flood must not fill the disk
            self._told_at.append(now)
            _log.error("registration ignored", agent=agent[:64], why=why[:500])
        return why

    def _changed_by(self, agent: AgentId) -> None:
        _log.info("directory changed", agent=agent, removed=agent not in self._agents)
        _AGENTS.set(len(self._agents))
        self.changed_at = asyncio.get_running_loop().time()
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class _Schemas:
    """Which schemas announcements have: each is a question to the registry, and anybody can name millions."""

    def __init__(self) -> None:
        self._good: set[bytes] = set()
        self._strange: dict[bytes, float] = {}

    def may_be_asked(self, value: bytes) -> bool:
        frame = value[:_FRAME]
        if frame in self._good:
            return True
        oldest = asyncio.get_running_loop().time() - _STRANGE_S
        while self._strange and next(iter(self._strange.values())) < oldest:
            del self._strange[next(iter(self._strange))]
        return frame not in self._strange and len(self._strange) < _STRANGE_SCHEMAS

    def is_good(self, value: bytes) -> None:
        self._good.add(value[:_FRAME])

    def is_strange(self, value: bytes) -> None:
        self._strange[value[:_FRAME]] = asyncio.get_running_loop().time()


def _gives(agent: RegisteredAgent) -> dict[RecordType, bool]:
    return {entry.record_type: entry.terminal for entry in agent.definition.output}


async def _set_within(event: asyncio.Event, timeout_s: float | None) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), timeout_s)
