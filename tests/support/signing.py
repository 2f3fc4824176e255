"""Keys of this test run, and requests and announcements that are signed with them."""

import time
from collections.abc import Generator, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

import httpx2

from signalbox.protocol.names import AGENT_REGISTRY, AgentId
from signalbox.protocol.records import Draft, Record
from signalbox.trust import (
    ORCHESTRATOR,
    Doorkeeper,
    RequestParts,
    RequestSigner,
    SigningKey,
    TrustSettings,
    sealed,
    token_for,
)

ORCHESTRATORS_KEY: Final = SigningKey.generate()
AGENTS_KEY: Final = SigningKey.generate()


class SignedAs(httpx2.Auth):
    """Signs each request to one agent, of just what goes over the wire."""

    requires_request_body = True

    def __init__(
        self,
        agent: str,
        key: SigningKey = ORCHESTRATORS_KEY,
        *,
        issuer: str = ORCHESTRATOR,
        away_s: float = 0.0,
    ) -> None:
        self._agent = AgentId(agent)
        self._key = key
        self._issuer = issuer
        self._away_s = away_s

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        token = token_for(
            parts_of(request), self._agent, self._key, self._issuer, at=time.time() + self._away_s
        )
        request.headers["authorization"] = f"Bearer {token}"
        yield request


def parts_of(request: httpx2.Request) -> RequestParts:
    """Return a request that a client made as an agent will see it."""
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw)
    return RequestParts(request.method, request.url.raw_path.decode(), headers, request.content)


def door(agent: str) -> Doorkeeper:
    """Let in what this test run's orchestrator signed."""
    return Doorkeeper(AgentId(agent), lambda: {ORCHESTRATOR: (ORCHESTRATORS_KEY.public,)})


def signer() -> RequestSigner:
    """Sign as this test run's orchestrator."""
    return RequestSigner(ORCHESTRATOR, lambda: ORCHESTRATORS_KEY)


def by_keys_in(folder: Path, agent: str) -> SignedAs:
    """Sign with the orchestrator's key in a folder, which is made where it is missing."""
    return SignedAs(agent, TrustSettings(agent_keys_dir=folder).orchestrators_key())


def announced(draft: Draft, key: SigningKey, time_ms: int) -> Draft:
    """Sign an announcement, or a tombstone, as the agent of its key."""
    agent = AgentId((draft.key or b"").decode())
    return replace(draft, headers=(*draft.headers, *sealed(key, agent, draft.value, time_ms)))


def signed_in(folder: Path, draft: Draft) -> Draft:
    """Sign an announcement or tombstone now, with its agent's key in a folder, made where it is missing."""
    agent = AgentId((draft.key or b"").decode())
    key = TrustSettings(agent_keys_dir=folder).own_key(agent)
    return announced(draft, key, time.time_ns() // 1_000_000)


def registration(
    agent: str, value: bytes | None, key: SigningKey, time_ms: int, headers: Iterable[tuple[str, bytes]] = ()
) -> Record:
    """Return a record of ``agent_registry`` that is signed with ``key``."""
    signature = sealed(key, AgentId(agent), value, time_ms)
    return Record(AGENT_REGISTRY, 0, 0, agent.encode(), value, (*headers, *signature))
