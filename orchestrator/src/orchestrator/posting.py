"""One call of an agent over HTTP, and what its outcome means."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, TypeAlias

import httpx
from prometheus_client import Histogram

from signalbox.agent.http import messages_url, request_headers
from signalbox.envelope import Envelope, text
from signalbox.names import AgentId, LeadId
from signalbox.printable import printable
from signalbox.records import Record
from signalbox.trust import RequestParts, RequestSigner

_CALLS = Histogram("signalbox_agent_call_seconds", "Calls of agents", ["agent", "status"])
_AWAY_STATUS: Final = frozenset({401, 403, 404, 429, 502, 503})
"""Not the message's fault: busy, starting, behind a proxy, another service's port, or other credentials."""
_UNPROCESSABLE: Final = 422
_NO_CONNECTION: Final = (httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ConnectError)
_BROKEN: Final = (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError)
# The last four: an address or header that the client can't even send; it raises some of them in a group.
_UNREACHABLE: Final = (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, OverflowError, ExceptionGroup)
_CONNECT_S: Final = 3.0
_DETAIL_LIMIT: Final = 1000


@dataclass(frozen=True, slots=True)
class Done:
    """The agent's answer is durable."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The agent says that it can't handle this message, now or later."""

    detail: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The agent is there, and failed on this message."""

    detail: str


@dataclass(frozen=True, slots=True)
class Away:
    """The agent can't be asked now; ``retry_after`` in seconds when it said so."""

    detail: str
    retry_after: float = 0.0


@dataclass(frozen=True, slots=True)
class Broken:
    """The agent had the message, or a part of it, when the connection broke; it may have died."""

    detail: str


Outcome: TypeAlias = Done | Refused | Failed | Away | Broken


class Posting:
    """Posts messages to one agent; ``deadline_s`` is for a whole call, from the connection to the answer."""

    def __init__(
        self, agent: AgentId, http: httpx.AsyncClient, signer: RequestSigner, deadline_s: float
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

    async def is_ready(self, endpoint: str) -> bool:
        """Ask the agent itself whether it is ready."""
        try:
            answer = await self._http.get(f"{endpoint.rstrip('/')}/readyz", timeout=_CONNECT_S)
        except _UNREACHABLE:
            return False
        return answer.is_success

    async def _posted(self, original: Record, endpoint: str) -> tuple[Outcome, str]:
        try:
            async with asyncio.timeout(self._deadline_s):
                answer = await self._http.send(self._request(original, endpoint))
        except _NO_CONNECTION as error:
            return Away(f"{type(error).__name__}: {error}"), "away"
        except (httpx.TimeoutException, TimeoutError) as error:
            return Failed(f"no answer in time ({type(error).__name__})"), "timeout"
        except _BROKEN as error:
            return Broken(f"{type(error).__name__}: {error}"), "broken"
        except _UNREACHABLE as error:
            return Away(f"{type(error).__name__}: {error}"), "away"
        return self._settled(answer), str(answer.status_code)

    def _request(self, original: Record, endpoint: str) -> httpx.Request:
        lead_id = LeadId(text(original.key, "key"))
        headers = request_headers(Envelope.parse(original.headers), lead_id)
        body = original.value or b""
        request = self._http.build_request("POST", messages_url(endpoint), content=body, headers=headers)
        # Of what goes over the wire, at each attempt: a token is for this agent, request and minute alone.
        sent = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw)
        parts = RequestParts("POST", request.url.raw_path.decode("ascii"), sent, body)
        request.headers["authorization"] = self._signer.authorization(self._agent, parts)
        return request

    def _settled(self, answer: httpx.Response) -> Outcome:
        if answer.is_success:
            return Done()
        detail = printable(f"HTTP {answer.status_code}: {answer.text[:_DETAIL_LIMIT]}")
        if answer.status_code == _UNPROCESSABLE:
            return Refused(_problem(answer))
        if answer.status_code in _AWAY_STATUS:
            return Away(detail, seconds_until(answer.headers.get("retry-after", "")))
        return Failed(detail)


def seconds_until(retry_after: str) -> float:
    """Read ``Retry-After``, which is seconds or a date (RFC 9110 section 10.2.3); 0 when it is neither."""
    if retry_after.isascii() and retry_after.isdecimal():
        return float(retry_after)
    try:
        at = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _problem(answer: httpx.Response) -> str:
    try:
        body = answer.json()
        return printable(str(body["detail"])[:_DETAIL_LIMIT])
    except (ValueError, KeyError, TypeError):
        return printable(answer.text[:_DETAIL_LIMIT])
