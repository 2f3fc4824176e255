"""Which announcements are in force: the one judgement of orchestrator, console and command."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from signalbox.control.models import AgentRegistered
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import AgentId
from signalbox.protocol.records import Record
from signalbox.trust.announcements import Fault, Seal, Untrusted, agent_of, digest_of, opened, signature_of
from signalbox.trust.grants import Grant
from signalbox.trust.key_files import agents_public_keys
from signalbox.trust.keys import PublicKey
from signalbox.trust.settings import TrustSettings

SKEW_MS: Final = 5 * 60 * 1000
"""How far an agent's clock may be ahead of the one that judges."""

_UNREADABLE: Final = Grant(revoked=True)
"""What counts for an id whose grant can't be read: no one speaks for it."""


@dataclass(frozen=True, slots=True)
class InForce:
    """An agent's announcement that counts."""

    seal: Seal
    said: AgentRegistered


class Registrations:
    """Judges records of ``agent_registry`` by the grants and the keys that there are.

    First :meth:`open` a record, then decode it, then :meth:`accept` it. What was refused leaves no trace
    here. An agent repeats its announcement byte for byte, so one that came too early for its grant, or was
    compacted away behind a forged one, is there again within a minute.
    """

    def __init__(self, settings: TrustSettings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._grants: dict[AgentId, Grant] = {}
        self._in_force: dict[AgentId, InForce] = {}
        self._removed_ms: dict[AgentId, int] = {}

    @property
    def in_force(self) -> Mapping[AgentId, InForce]:
        """What counts now, by agent."""
        return self._in_force

    def grant(self, agent: AgentId, grant: Grant | None, *, readable: bool = True) -> bool:
        """Take an agent's newest grant; True when what was in force is not any more.

        One that is not ``readable`` leaves the former grant, and where there is none, allows nothing.
        """
        if not readable:
            self._grants.setdefault(agent, _UNREADABLE)
        elif grant is None:
            self._grants.pop(agent, None)
        else:
            self._grants[agent] = grant
        now = self._in_force.get(agent)
        if now is None:
            return False
        try:
            self._require(now.seal, now.said)
        except Untrusted:
            del self._in_force[agent]
            return True
        return False

    def was_removed(self, agent: AgentId) -> bool:
        """True when nothing of ``agent`` is in force because its grant says so."""
        grant = self._grants.get(agent)
        gone = grant is not None and (grant.revoked or grant.removed_at_ms > 0)
        return gone and agent not in self._in_force

    def open(self, record: Record) -> Seal | None:
        """Verify who signed a record; None when it repeats what is in force.

        Raises:
            Untrusted: it does not count.
        """
        agent = agent_of(record)
        now = self._in_force.get(agent)
        if now is not None and (signature_of(record), digest_of(record.value)) == now.seal.signed:
            return None
        seal = opened(record, agent, self._keys(agent))
        if seal.time_ms > self._clock() * 1000 + SKEW_MS:
            raise Untrusted(Fault.FUTURE, "it is dated in the future: look at the agent's clock")
        return seal

    def accept(self, seal: Seal, said: AgentRegistered | None) -> bool:
        """Put a record in force; ``said`` None is a tombstone. False when that changes nothing.

        Raises:
            Untrusted: it does not count.
        """
        self._require(seal, said)
        now = self._in_force.get(seal.agent)
        if now is not None and seal.time_ms <= now.seal.time_ms:
            if said is not None and _definition(said) == _definition(now.said):
                return False
            raise Untrusted(Fault.STALE, "it is older than the announcement in force")
        if said is None:
            is_new = seal.time_ms > self._removed_ms.get(seal.agent, 0)
            self._removed_ms[seal.agent] = max(self._removed_ms.get(seal.agent, 0), seal.time_ms)
            return self._in_force.pop(seal.agent, None) is not None or is_new
        self._in_force[seal.agent] = InForce(seal, said)
        return now is None or _definition(said) != _definition(now.said)

    def restore(self, agent: AgentId, former: InForce | None) -> None:
        """Undo the last :meth:`accept`, of an announcement that the caller could not use."""
        if former is None:
            self._in_force.pop(agent, None)
        else:
            self._in_force[agent] = former

    def _require(self, seal: Seal, said: AgentRegistered | None) -> None:
        if seal.key not in self._keys(seal.agent):
            raise Untrusted(Fault.SIGNATURE, "its key does not count any more")
        if said is not None and seal.time_ms <= self._removal(seal.agent):
            raise Untrusted(Fault.REMOVED, "the agent was removed after it announced itself: start it again")
        if said is None:
            return
        if said.agent_id != seal.agent:
            raise Untrusted(Fault.RECORD, f"the key says {seal.agent}, the record {said.agent_id[:64]}")
        self._grants.get(seal.agent, Grant()).require(said)

    def _keys(self, agent: AgentId) -> tuple[PublicKey, ...]:
        grant = self._grants.get(agent)
        if grant is not None and grant.revoked:
            raise Untrusted(
                Fault.REVOKED,
                "its grant is revoked, or can't be read; `signalbox agents grant` gives it back",
            )
        if grant is not None and grant.keys:
            return grant.keys
        keys = self._keys_in_folder(agent) if self._settings.agent_enrolment == "folder" else ()
        if not keys:
            raise Untrusted(Fault.NO_GRANT, "nobody granted it; `signalbox agents grant` does")
        return keys

    def _keys_in_folder(self, agent: AgentId) -> tuple[PublicKey, ...]:
        try:
            return agents_public_keys(self._settings.folder, agent)
        except ConfigurationError as error:
            raise Untrusted(Fault.NO_GRANT, str(error)) from error

    def _removal(self, agent: AgentId) -> int:
        grant = self._grants.get(agent)
        return max(self._removed_ms.get(agent, 0), grant.removed_at_ms if grant else 0)


def _definition(said: AgentRegistered) -> dict[str, object]:
    return said.model_dump(exclude={"registered_at"})
