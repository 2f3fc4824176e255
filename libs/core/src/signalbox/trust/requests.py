"""A token for one request: who asks whom for what, signed, and worth nothing for anything else.

Source: RFC 7519 (JWT), RFC 6750 (bearer tokens). What is bound beyond the registered claims: ``method``,
``path`` (with its query), ``message`` (the message's id), ``headers`` and ``body`` (SHA-256 each).
"""

import hashlib
import json
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

from signalbox.protocol.names import AgentId
from signalbox.trust.keys import SigningKey, claims_of
from signalbox.trust.trusted import Holders

ORCHESTRATOR: Final = "orchestrator"
OPERATOR: Final = "operator"

LASTS_S: Final = 60
SKEW_S: Final = 30
"""How far the clocks of who signs and who verifies may be apart."""

_KIND: Final = "signalbox-request"
_BOUND: Final = ("content-type", "idempotency-key")
_JSON: Final = json.JSONEncoder(separators=(",", ":"))
_NAME: Final = itemgetter(0)
_MESSAGE: Final = ("ce-id", "idempotency-key")

NO_TOKEN: Final = "one bearer token for this request is needed"
NOT_TRUSTED: Final = "the token is not signed by a key that is trusted here"
OTHER_AGENT: Final = "the token is for another agent"
NOT_NOW: Final = "the token has run out, or its time has not come: look at the clocks"
OTHER_REQUEST: Final = "the token is for another request"


@dataclass(frozen=True, slots=True)
class RequestParts:
    """A request as it goes over the wire: ``target`` is path and query, ``headers`` are all, in order."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def values(self, name: str) -> list[str]:
        """Return every value of a header; ``name`` is in lower case."""
        return [value for given, value in self.headers if given.lower() == name]

    def bound(self) -> dict[str, Any]:
        """Return the claims that no other request has."""
        lower = [(name.lower(), value) for name, value in self.headers]
        covered = [pair for pair in lower if pair[0][:3] == "ce-" or pair[0] in _BOUND]
        # Sorted by the name alone: of a header that repeats, the order of its values is kept.
        text = _JSON.encode(sorted(covered, key=_NAME))
        named = dict(reversed(covered))  # the first of several
        return {
            "method": self.method.upper(),
            "path": self.target,
            "message": next((named[name] for name in _MESSAGE if name in named), ""),
            "headers": hashlib.sha256(text.encode()).hexdigest(),
            "body": hashlib.sha256(self.body).hexdigest(),
        }


def token_for(
    request: RequestParts, audience: AgentId, key: SigningKey, issuer: str, *, at: float | None = None
) -> str:
    """Sign a token with which ``issuer`` may make this one request of ``audience`` within a minute."""
    now = int(time.time() if at is None else at)
    times = {"iss": issuer, "aud": audience, "iat": now, "exp": now + LASTS_S}
    return key.sign(_KIND, times | request.bound())


class Doorkeeper:
    """Tells whether a request may come in. ``prefix`` is what a proxy takes off the agent's paths."""

    def __init__(
        self,
        audience: AgentId,
        trusted: Callable[[], Holders],
        *,
        prefix: str = "",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._audience = audience
        self._trusted = trusted
        self._prefix = prefix.rstrip("/")
        self._clock = clock

    def permits(
        self, request: RequestParts, issuers: Collection[str] = (ORCHESTRATOR, OPERATOR)
    ) -> str | None:
        """Return None when one of ``issuers`` signed just this request, else why it may not come in.

        The answer tells nothing to who has no token that was signed by a trusted key.
        """
        token = _bearer(request.values("authorization"))
        if token is None:
            return NO_TOKEN
        claims = self._signed(token, issuers)
        if claims is None:
            return NOT_TRUSTED
        if claims.get("aud") != self._audience:
            return OTHER_AGENT
        if not self._is_now(claims.get("iat"), claims.get("exp")):
            return NOT_NOW
        return None if self._is_bound(claims, request) else OTHER_REQUEST

    def _signed(self, token: str, issuers: Iterable[str]) -> dict[str, Any] | None:
        trusted = self._trusted()
        for issuer in issuers:
            found = claims_of(_KIND, token, trusted.get(issuer, ()))
            if found is not None:
                return found[0] if found[0].get("iss") == issuer else None
        return None

    def _is_now(self, issued: object, ends: object) -> bool:
        if type(issued) is not int or type(ends) is not int or not 0 < ends - issued <= LASTS_S:
            return False
        return issued - SKEW_S <= self._clock() <= ends + SKEW_S

    def _is_bound(self, claims: dict[str, Any], request: RequestParts) -> bool:
        bound = request.bound()
        paths = {bound.pop("path"), self._prefix + request.target}
        return claims.get("path") in paths and all(claims.get(name) == said for name, said in bound.items())


def _bearer(given: list[str]) -> str | None:
    if len(given) != 1:
        return None
    scheme, _, token = given[0].partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None
