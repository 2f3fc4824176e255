"""Grants as the command reads and writes them: ``control.AgentGranted`` on ``agent_grants``."""

import asyncio
import getpass
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import uuid4

from signalbox.control.models import AgentGranted
from signalbox.gate.control_records import ControlRecords, record_type_of
from signalbox.protocol.envelope import Envelope
from signalbox.protocol.errors import Refusal, Unavailable
from signalbox.protocol.names import AGENT_GRANTS, AGENT_REGISTRY, AgentId, CorrelationId, MessageId
from signalbox.protocol.records import Draft
from signalbox.trust import Registrations
from signalbox_operations.contracts.announced import TOPICS, decoded_by, judged

if TYPE_CHECKING:
    from signalbox.kafka import KafkaSettings

_T = TypeVar("_T")
_ASK_AGAIN_S: Final = 0.3


@dataclass(frozen=True, slots=True)
class Known:
    """What the two topics say now. ``announced`` are the agents with an announcement that counts or not."""

    granted: Mapping[AgentId, AgentGranted]
    announced: frozenset[AgentId]
    registrations: Registrations


class GrantService:
    """Reads what is granted, and writes grants."""

    def __init__(self, kafka: "KafkaSettings", control: ControlRecords) -> None:
        self._kafka = kafka
        self._control = control

    async def known(self) -> Known:
        """Read both topics to their ends.

        Raises:
            Unavailable: broker or registry can't be reached.
        """
        from signalbox.kafka import read_to_end

        records = await asyncio.to_thread(lambda: list(read_to_end(self._kafka, TOPICS)))
        decoded = await decoded_by(self._control, records)
        newest = {one.key: one for one in records if one.topic == AGENT_GRANTS}
        grants = {}
        for one in newest.values():
            with suppress(Refusal):
                if one.value is not None:
                    grant: AgentGranted = decoded(AgentGranted, one)
                    grants[AgentId(grant.agent_id)] = grant
        last = {one.key: one.value for one in records if one.topic == AGENT_REGISTRY}
        written = {AgentId((key or b"").decode(errors="replace")) for key in last if last[key]}
        registrations = judged(records, decoded)
        return Known(
            granted=grants,
            announced=frozenset(written | registrations.in_force.keys()),  # a forged tombstone hides none
            registrations=registrations,
        )

    async def write(self, grants: Sequence[AgentGranted]) -> None:
        """Write grants, and return when they are durable."""
        from signalbox.kafka import Producer

        producer = Producer(self._kafka, "signalbox-agents")
        try:
            await producer.publish(*[self._draft(grant) for grant in grants])
        finally:
            await producer.close()

    def _draft(self, grant: AgentGranted) -> Draft:
        envelope = Envelope(
            id=MessageId(str(uuid4())),
            source="signalbox-agents",
            type=record_type_of(AgentGranted),
            time=grant.granted_at,
            correlation_id=CorrelationId(grant.agent_id),
        )
        return Draft(AGENT_GRANTS, grant.agent_id.encode(), self._control.write(grant), envelope.headers())


async def with_grant_service(work: Callable[[GrantService], Awaitable[_T]], *, patience_s: float = 0) -> _T:
    """Do ``work`` with this environment's grants; topics and contracts may come within ``patience_s``.

    Raises:
        Unavailable: broker or registry can't be reached, or do not have them.
    """
    from signalbox.kafka import KafkaSettings
    from signalbox.registry.client import Registry, RegistrySettings

    registry = Registry(RegistrySettings())
    control = ControlRecords(registry)
    deadline = time.monotonic() + patience_s
    try:
        while True:
            try:
                await control.load()
                return await work(GrantService(KafkaSettings(), control))
            except Unavailable:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(_ASK_AGAIN_S)
    finally:
        await registry.close()


def granted(agent: AgentId, former: AgentGranted | None, **fields: Any) -> AgentGranted:
    """Make a grant out of the former one; what was removed stays removed."""
    base = former.model_dump() if former else {"agent_id": agent}
    said = {**base, "revoked": False, **fields, "granted_at": datetime.now(UTC), "who": _who()}
    return AgentGranted.model_validate(said)


def removal_time(known: Known, agent: AgentId) -> datetime:
    """Return a time that no announcement in force is younger than."""
    in_force = known.registrations.in_force.get(agent)
    now = datetime.now(UTC)
    if in_force is None:
        return now
    last = datetime.fromtimestamp(in_force.seal.time_ms / 1000, UTC)
    return max(now, last + timedelta(milliseconds=1))


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
