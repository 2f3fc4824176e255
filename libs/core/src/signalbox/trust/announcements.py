"""Announcements and tombstones on ``agent_registry``, signed by the agent that they are about."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from signalbox.protocol.names import AGENT_REGISTRY, AgentId, Headers
from signalbox.protocol.records import Record
from signalbox.trust.keys import PublicKey, SigningKey, claims_of

SIGNATURE: Final = "signature"
"""The header: a compact JWS that binds the agent's id, the topic, the value's SHA-256 and a time."""
_KIND: Final = "signalbox-announcement"
_AGENT_ID: Final = re.compile(r"[a-z][a-z0-9._-]{0,63}")


class Fault(StrEnum):
    """Why an announcement or tombstone does not count."""

    NO_AGENT_ID = "no_agent_id"
    UNSIGNED = "unsigned"
    REPEATED = "repeated_header"
    NO_GRANT = "no_grant"
    REVOKED = "revoked"
    SIGNATURE = "signature"
    CHANGED = "changed"
    FUTURE = "future"
    REMOVED = "removed"
    STALE = "stale"
    OUTSIDE_GRANT = "outside_grant"
    RECORD = "record"


class Untrusted(Exception):
    """A registration that does not count; what was in force stays in force."""

    def __init__(self, fault: Fault, why: str) -> None:
        super().__init__(why)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Seal:
    """A signature that was verified. ``time_ms`` is the agent's own word, in milliseconds since the epoch."""

    agent: AgentId
    time_ms: int
    key: PublicKey
    text: str
    digest: str | None

    @property
    def signed(self) -> tuple[str, str | None]:
        """What a repetition has in common with it."""
        return self.text, self.digest


def sealed(key: SigningKey, agent: AgentId, value: bytes | None, time_ms: int) -> Headers:
    """Return the header that makes ``value`` the agent's own; ``value`` None is a tombstone."""
    claims = {"agent": agent, "purpose": AGENT_REGISTRY, "value": digest_of(value), "time": time_ms}
    return ((SIGNATURE, key.sign(_KIND, claims).encode()),)


def agent_of(record: Record) -> AgentId:
    """Return whom a record of ``agent_registry`` or ``agent_grants`` is about.

    Raises:
        Untrusted: its key is no agent id.
    """
    agent = (record.key or b"").decode(errors="replace")
    if not _AGENT_ID.fullmatch(agent):
        raise Untrusted(Fault.NO_AGENT_ID, "the key is no agent id")
    return AgentId(agent)


def signature_of(record: Record) -> str:
    """Return the one signature that a record has to have.

    Raises:
        Untrusted: it has none, or several.
    """
    found = [value for name, value in record.headers if name == SIGNATURE]
    if not found:
        raise Untrusted(Fault.UNSIGNED, "it is not signed")
    if len(found) > 1:
        raise Untrusted(Fault.REPEATED, "it has more than one signature")
    return (found[0] or b"").decode("latin-1")


def opened(record: Record, agent: AgentId, keys: Sequence[PublicKey]) -> Seal:
    """Verify the signature of a record about ``agent`` by one of ``keys``.

    Raises:
        Untrusted: it is missing, by another key, or for something else.
    """
    text = signature_of(record)
    found = claims_of(_KIND, text, keys)
    if found is None:
        raise Untrusted(Fault.SIGNATURE, "its signature is none of this agent's keys")
    claims, key = found
    if claims.get("agent") != agent or claims.get("purpose") != AGENT_REGISTRY:
        raise Untrusted(Fault.SIGNATURE, "its signature is for something else")
    if "value" not in claims or claims["value"] != digest_of(record.value):
        raise Untrusted(Fault.CHANGED, "it is not what was signed")
    time_ms = claims.get("time")
    if type(time_ms) is not int:
        raise Untrusted(Fault.SIGNATURE, "its signature has no time")
    return Seal(agent, time_ms, key, text, claims["value"])


def digest_of(value: bytes | None) -> str | None:
    """Return the SHA-256 of a value; None for a tombstone."""
    return None if value is None else hashlib.sha256(value).hexdigest()
