"""One call of an agent over HTTP, and what its outcome means."""

import asyncio
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, TypeAlias

import httpx2
from prometheus_client import Histogram

from signalbox.protocol.agent_http import messages_url, request_headers
from signalbox.protocol.envelope import Envelope, text
from signalbox.protocol.names import AgentId, LeadId
from signalbox.protocol.printable import printable
from signalbox.protocol.records import Record
from signalbox.trust import RequestParts, RequestSigner

_CALLS = Histogram("signalbox_agent_call_seconds", "Calls of agents", ["agent", "status"])
_AWAY_STATUS: Final = frozenset({401, 403, 404, 429, 502, 503})
"""Not the message's fault: busy, starting, behind a proxy, another service's port, or other credentials."""
_UNPROCESSABLE: Final = 422
_NO_CONNECTION: Final = (httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.ConnectError)
_BROKEN: Final = (httpx2.ReadError, httpx2.WriteError, httpx2.RemoteProtocolError)
# The last four: an address or header that the client can't even send; it raises some of them in a group.
_UNREACHABLE: Final = (
    httpx2.HTTPError,
    httpx2.InvalidURL,
    OSError,
    ValueError,
    OverflowError,
    ExceptionGroup,
)
_CONNECT_S: Final = 3.0
_PLAIN: Final = {"accept-encoding": "identity"}
_DETAIL_LIMIT: Final = 1000
_BODY_LIMIT: Final = 64 * 1024
"""What is read of an answer's body, in bytes: the status says it all, and the rest is words for people."""


@dataclass(frozen=True, slots=True)
class Done:
    """The agent's answer is durable."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The agent says that it can't handle this message, now or later."""

    detail: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The agent is there, and failed on this message; ``late``: by giving no answer in time."""

    detail: str
    late: bool = False


@dataclass(frozen=True, slots=True)
class Away:
    """The agent can't be asked now; ``retry_after`` in seconds when it said so.

    ``answered``: it said so itself, to this message. Otherwise it was not reached, whatever the message.
    """

    detail: str
    retry_after: float = 0.0
    answered: bool = False


@dataclass(frozen=True, slots=True)
class Broken:
    """The agent had the message, or a part of it, when the connection broke; it may have died."""

    detail: str


Outcome: TypeAlias = Done | Refused | Failed | Away | Broken


class AgentClient:
    """Posts messages to one agent; ``deadline_s`` is for a whole call, from the connection to the answer."""

    def __init__(
        self, agent: AgentId, http: httpx2.AsyncClient, signer: RequestSigner, deadline_s: float
    ) -> None:
        self._agent = agent
        self._http = http
        self._signer = signer
        self._deadline_s = deadline_s

    async def post(self, original: Record, endpoint: str) -> Outcome:
        """Post ``original`` once and say what came of it."""
        began = asyncio.get_running_loop().time()
        outcome, status = await self._posted(original, endpoint)
        _CALLS.labels(self._agent, status).observe(asyncio.get_running_loop().time() - began)
        return outcome

    def forget(self) -> None:
        """Say nothing of this agent's calls any more."""
        _CALLS.remove_by_labels({"agent": self._agent})

    async def is_ready(self, endpoint: str) -> bool:
        """Ask the agent itself whether it is ready."""
        return await answers(self._http, endpoint, "/readyz")

    async def _posted(self, original: Record, endpoint: str) -> tuple[Outcome, str]:
        try:
            async with asyncio.timeout(self._deadline_s):
                answer, body = await _answer(self._http, self._request(original, endpoint))
        except _NO_CONNECTION as error:
            return Away(f"{type(error).__name__}: {error}"), "away"
        except (httpx2.TimeoutException, TimeoutError) as error:
            return Failed(f"no answer in time ({type(error).__name__})", late=True), "timeout"
        except _BROKEN as error:
            return Broken(f"{type(error).__name__}: {error}"), "broken"
        except _UNREACHABLE as error:
            return Away(f"{type(error).__name__}: {error}"), "away"
        return self._settled(answer, body), str(answer.status_code)

    def _request(self, original: Record, endpoint: str) -> httpx2.Request:
        lead_id = LeadId(text(original.key, "key"))
        headers = {**_PLAIN, **request_headers(Envelope.parse(original.headers), lead_id)}
        body = original.value or b""
        request = self._http.build_request("POST", messages_url(endpoint), content=body, headers=headers)
        # Of what goes over the wire, at each attempt: a token is for this agent, request and minute alone.
        sent = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw)
        parts = RequestParts("POST", request.url.raw_path.decode("ascii"), sent, body)
        request.headers["authorization"] = self._signer.authorization(self._agent, parts)
        return request

    def _settled(self, answer: httpx2.Response, body: str) -> Outcome:
        if answer.is_success:
            return Done()
        detail = printable(f"HTTP {answer.status_code}: {body[:_DETAIL_LIMIT]}")
        if answer.status_code == _UNPROCESSABLE:
            return Refused(_problem(body))
        if answer.status_code in _AWAY_STATUS:
            return Away(detail, seconds_until(answer.headers.get("retry-after", "")), answered=True)
        return Failed(detail)


def connections(timeout_s: float, at_once: int) -> httpx2.AsyncClient:
    """Return the connections to one agent.

    One small pool per agent: an agent that hangs takes no connection from another, and the pool, which looks
    at every connection for every request, stays quick. Waiting for one's turn has no deadline.
    """
    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(timeout_s, connect=_CONNECT_S, pool=None),
        limits=httpx2.Limits(max_connections=at_once),
        follow_redirects=False,
    )


async def answers(http: httpx2.AsyncClient, endpoint: str, path: str) -> bool:
    """Say whether ``path`` at ``endpoint`` answers 2xx, within three seconds as a whole."""
    try:
        async with asyncio.timeout(_CONNECT_S):
            request = http.build_request("GET", f"{endpoint.rstrip('/')}{path}", headers=_PLAIN)
            answer, _ = await _answer(http, request)
    except (TimeoutError, *_UNREACHABLE):
        return False
    return answer.is_success


async def _answer(http: httpx2.AsyncClient, request: httpx2.Request) -> tuple[httpx2.Response, str]:
    # As it came: what a few bytes unpack to is bounded by nothing.
    answer = await http.send(request, stream=True)
    try:
        body = b""
        async for part in answer.aiter_raw():
            body += part
            if len(body) >= _BODY_LIMIT:
                break
    finally:
        await answer.aclose()
    return answer, body[:_BODY_LIMIT].decode(errors="replace")


def seconds_until(retry_after: str) -> float:
    """Read ``Retry-After``, which is seconds or a date (RFC 9110 section 10.2.3); 0 when it is neither."""
    if retry_after.isascii() and retry_after.isdecimal():
        return float(retry_after)
    try:
        at = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _problem(body: str) -> str:
    try:
        return printable(str(json.loads(body)["detail"])[:_DETAIL_LIMIT])
    except (ValueError, KeyError, TypeError, RecursionError):
        return printable(body[:_DETAIL_LIMIT])
