"""What an agent is allowed: which keys speak for it, where it lives, and what it may take and give."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import httpx2

from signalbox.control.models import AgentGranted, AgentRegistered
from signalbox.protocol.errors import ConfigurationError
from signalbox.protocol.names import AgentId, RecordType
from signalbox.trust.announcements import Fault, Untrusted
from signalbox.trust.keys import PublicKey, public_keys


@dataclass(frozen=True, slots=True)
class Grant:
    """The newest ``control.AgentGranted`` of one agent. What is empty pins nothing.

    Announcements up to ``removed_at_ms`` do not count: the agent was removed then.
    """

    keys: tuple[PublicKey, ...] = ()
    endpoints: tuple[str, ...] = ()
    takes: frozenset[RecordType] = frozenset()
    gives: frozenset[RecordType] = frozenset()
    revoked: bool = False
    removed_at_ms: int = 0

    @classmethod
    def of(cls, agent: AgentId, said: AgentGranted) -> "Grant":
        """Read a grant that lies under the key ``agent``.

        Raises:
            ConfigurationError: it is another agent's, or a key or an endpoint in it is none.
        """
        if said.agent_id != agent:
            raise ConfigurationError(f"the key says {agent}, the record {said.agent_id[:64]}")
        for endpoint in said.endpoints:
            _place(endpoint)
        return cls(
            keys=tuple(key for pem in said.public_keys for key in public_keys(pem)),
            endpoints=tuple(said.endpoints),
            takes=frozenset(RecordType(name) for name in said.takes),
            gives=frozenset(RecordType(name) for name in said.gives),
            revoked=said.revoked,
            removed_at_ms=milliseconds(said.removed_at),
        )

    def require(self, said: AgentRegistered) -> None:
        """Hold an announcement against the grant.

        Raises:
            Untrusted: it says more than the grant allows.
        """
        if self.endpoints and not any(_same_place(said.endpoint, allowed) for allowed in self.endpoints):
            raise Untrusted(Fault.OUTSIDE_GRANT, f"its grant does not have the endpoint {said.endpoint}")
        _within("take", {entry.record_type for entry in said.input}, self.takes)
        _within("give", {entry.record_type for entry in said.output}, self.gives)


def milliseconds(time: datetime | None) -> int:
    """Return a time in milliseconds since the epoch; 0 for none."""
    return 0 if time is None else round(time.timestamp() * 1000)


def require_endpoint(endpoint: str) -> None:
    """Check an endpoint before it is granted.

    Raises:
        ConfigurationError: it is no address of a service, with nothing but scheme, host, port and path.
    """
    _place(endpoint)


def _within(verb: str, said: Iterable[str], allowed: frozenset[RecordType]) -> None:
    more = sorted(set(said) - allowed) if allowed else []
    if more:
        raise Untrusted(Fault.OUTSIDE_GRANT, f"its grant does not let it {verb} {', '.join(more)}")


def _same_place(endpoint: str, allowed: str) -> bool:
    """Compare what the addresses mean; one without a path allows any path of its origin."""
    try:
        origin, path = _place(endpoint)
        allowed_origin, allowed_path = _place(allowed)
    except ConfigurationError:
        return False
    return origin == allowed_origin and allowed_path in {"", path}


def _place(endpoint: str) -> tuple[tuple[str, str, int | None], str]:
    try:
        url = httpx2.URL(endpoint)
    except (httpx2.InvalidURL, ValueError) as error:
        raise ConfigurationError(f"{endpoint!r} is no address: {error}") from error
    if url.scheme not in {"http", "https"} or not url.host or url.userinfo or url.query or url.fragment:
        raise ConfigurationError(f"{endpoint!r} is not http(s)://host:port/path with nothing else in it")
    return (url.scheme, url.host, url.port), url.path.rstrip("/")
