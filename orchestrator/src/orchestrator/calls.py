"""Calls to agents: away, failing and refusing are three different things."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
from prometheus_client import Histogram
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_result,
    stop_after_attempt,
    wait_random_exponential,
)

from signalbox.agent.http import messages_url, request_headers
from signalbox.envelope import Envelope, text
from signalbox.names import AgentId, LeadId
from signalbox.printable import printable
from signalbox.records import Record
from signalbox.telemetry import Readiness, logger

_log = logger(__name__)
_CALLS = Histogram("signalbox_agent_call_seconds", "Calls of agents", ["agent", "status"])
_AWAY_STATUS: Final = frozenset({401, 403, 404, 429, 502, 503})
"""Not the message's fault: busy, starting, behind a proxy, another service's port, or other credentials."""
_UNPROCESSABLE: Final = 422
_UNAUTHORIZED: Final = 401
# The last four: an address or header that the client can't even send; it raises some of them in a group.
_UNREACHABLE: Final = (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, OverflowError, ExceptionGroup)
_CONNECT_S: Final = 3.0
_LONGEST_PAUSE_S: Final = 120.0
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
    """The agent is there, and failed on this message every time."""

    detail: str


@dataclass(frozen=True, slots=True)
class _Away:
    detail: str
    retry_after: float = 0.0


class AgentCaller:
    """Delivers messages to one agent, and tells readiness while that agent is away."""

    def __init__(
        self,
        agent: AgentId,
        http: httpx.AsyncClient,
        tokens: Path,
        readiness: Readiness,
        *,
        attempts: int,
        longest_pause_s: float = 5.0,
    ) -> None:
        self._agent = agent
        self._http = http
        self._token_file = tokens / agent
        self._readiness = readiness
        self._backoff = wait_random_exponential(multiplier=0.1, max=longest_pause_s)
        self._attempts = attempts

    async def deliver(self, original: Record, endpoint: Callable[[], str]) -> Done | Refused | Failed:
        """Post ``original`` until the agent settles it.

        While the agent is away (refused, reset, 429, 503, not ready) this waits without limit. Errors and
        time-outs of an agent that is ready count as attempts, of which there are a few.
        """
        attempts = AsyncRetrying(
            retry=retry_if_result(lambda outcome: isinstance(outcome, Failed)),
            stop=stop_after_attempt(self._attempts),
            wait=self._backoff,
            retry_error_callback=_last_failure,
        )
        settled: Done | Refused | Failed = await attempts(self._once_present, original, endpoint)
        return settled

    async def _once_present(self, original: Record, endpoint: Callable[[], str]) -> Done | Refused | Failed:
        part = f"agent {self._agent}"

        def waiting(state: RetryCallState) -> None:
            away = _result(state)
            assert isinstance(away, _Away)
            self._readiness.degraded(part, f"away: {away.detail}")

        presence = AsyncRetrying(
            retry=retry_if_result(lambda outcome: isinstance(outcome, _Away)),
            wait=self._until_back,
            before_sleep=waiting,
        )
        outcome: Done | Refused | Failed | _Away = await presence(self._attempt, original, endpoint)
        self._readiness.degraded(part, None)
        assert not isinstance(outcome, _Away)
        return outcome

    def _until_back(self, state: RetryCallState) -> float:
        away = _result(state)
        asked = away.retry_after if isinstance(away, _Away) else 0.0
        return max(self._backoff(state), min(asked, _LONGEST_PAUSE_S))

    async def _attempt(self, original: Record, locate: Callable[[], str]) -> Done | Refused | Failed | _Away:
        endpoint = locate()
        began = asyncio.get_running_loop().time()
        result, status = await self._posted(original, endpoint)
        _CALLS.labels(self._agent, status).observe(asyncio.get_running_loop().time() - began)
        if isinstance(result, Failed) and not await self._is_ready(endpoint):
            return _Away(f"not ready: {result.detail}")
        return result

    async def _posted(self, original: Record, endpoint: str) -> tuple[Done | Refused | Failed | _Away, str]:
        try:
            answer = await self._http.post(
                messages_url(endpoint), content=original.value or b"", headers=self._headers(original)
            )
        except httpx.TimeoutException as error:
            if isinstance(error, httpx.ConnectTimeout | httpx.PoolTimeout):
                return _Away(type(error).__name__), "away"
            return Failed(f"no answer in time ({type(error).__name__})"), "timeout"
        except _UNREACHABLE as error:
            return _Away(f"{type(error).__name__}: {error}"), "away"
        return self._settled(answer), str(answer.status_code)

    def _headers(self, original: Record) -> dict[str, str]:
        lead_id = LeadId(text(original.key, "key"))
        return request_headers(Envelope.parse(original.headers), lead_id, token=self._token())

    def _token(self) -> str | None:
        # Read at each call: an agent that starts later, or gets a new token, is called with it at once.
        try:
            return self._token_file.read_text().strip() or None
        except OSError:
            return None

    def _settled(self, answer: httpx.Response) -> Done | Refused | Failed | _Away:
        if answer.is_success:
            return Done()
        detail = printable(f"HTTP {answer.status_code}: {answer.text[:_DETAIL_LIMIT]}")
        if answer.status_code == _UNPROCESSABLE:
            return Refused(_problem(answer))
        if answer.status_code == _UNAUTHORIZED and self._token() is None:
            return _Away(f"it asks for a token, and there is none at {self._token_file}")
        if answer.status_code in _AWAY_STATUS:
            return _Away(detail, _seconds(answer.headers.get("retry-after", "")))
        return Failed(detail)

    async def _is_ready(self, endpoint: str) -> bool:
        try:
            answer = await self._http.get(f"{endpoint.rstrip('/')}/readyz", timeout=_CONNECT_S)
        except _UNREACHABLE:
            return False
        return answer.is_success


def _result(state: RetryCallState) -> Done | Refused | Failed | _Away:
    assert state.outcome is not None
    outcome: Done | Refused | Failed | _Away = state.outcome.result()
    return outcome


def _last_failure(state: RetryCallState) -> Failed:
    outcome = _result(state)
    assert isinstance(outcome, Failed)
    return Failed(f"{state.attempt_number} attempts; the last: {outcome.detail}")


def _problem(answer: httpx.Response) -> str:
    try:
        body = answer.json()
        return printable(str(body["detail"])[:_DETAIL_LIMIT])
    except (ValueError, KeyError, TypeError):
        return printable(answer.text[:_DETAIL_LIMIT])


def _seconds(retry_after: str) -> float:
    return float(retry_after) if retry_after.isdecimal() else 0.0
