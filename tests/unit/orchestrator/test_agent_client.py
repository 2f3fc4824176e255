"""What each answer to a call means; the agent is a transport in memory, which stands for the network."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
import pytest
from prometheus_client import REGISTRY

from orchestrator.dispatch.agent_client import (
    AgentClient,
    Away,
    Broken,
    Done,
    Failed,
    Outcome,
    Refused,
    answers,
    connections,
    seconds_until,
)
from signalbox.protocol.envelope import Envelope, correlation_id_of
from signalbox.protocol.names import AGENT_MESSAGES, AgentId, LeadId, MessageId, RecordType
from signalbox.protocol.records import Record
from signing import signer

ECHO = AgentId("echo")
HEADERS = Envelope(
    id=MessageId("m-1"),
    source="somebody",
    type=RecordType("demo.Asked"),
    time=datetime(2026, 1, 2, tzinfo=UTC),
    correlation_id=correlation_id_of(LeadId("lead-1")),
).headers()
MESSAGE = Record(AGENT_MESSAGES, 0, 1, b"lead-1", b"value", HEADERS)


def agent(answer: httpx2.Response | Exception, seen: list[httpx2.Request]) -> httpx2.AsyncClient:
    async def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        if isinstance(answer, Exception):
            raise answer
        return httpx2.Response(answer.status_code, headers=answer.headers, content=body(answer.content))

    async def body(content: bytes) -> AsyncIterator[bytes]:
        yield content

    return httpx2.AsyncClient(transport=httpx2.MockTransport(handle))


async def posted(answer: httpx2.Response | Exception) -> Outcome:
    async with agent(answer, []) as http:
        return await AgentClient(ECHO, http, signer(), deadline_s=5).post(MESSAGE, "http://echo")


async def test_the_connections_to_an_agent_follow_no_redirect_and_wait_for_their_turn() -> None:
    async with connections(30, at_once=2) as http:
        assert not http.follow_redirects  # the agent could name another machine
        assert http.timeout == httpx2.Timeout(30, connect=3, pool=None)


@pytest.mark.parametrize("status", [200, 202, 204])
async def test_each_2xx_is_done(status: int) -> None:
    assert await posted(httpx2.Response(status)) == Done()


async def test_a_422_is_the_agents_refusal_in_its_own_words() -> None:
    assert await posted(httpx2.Response(422, json={"detail": "no such lead"})) == Refused("no such lead")


@pytest.mark.parametrize("body", [b"plainly no", b'{"title": 1}', b"[]", b"3"])
async def test_a_refusal_without_a_detail_is_quoted_as_it_came(body: bytes) -> None:
    assert await posted(httpx2.Response(422, content=body)) == Refused(body.decode())


@pytest.mark.parametrize("status", [401, 403, 404, 429, 502, 503])
async def test_what_says_nothing_of_the_message_is_away_by_its_own_word(status: int) -> None:
    busy = httpx2.Response(status, text="later", headers={"retry-after": "7"})
    assert await posted(busy) == Away(f"HTTP {status}: later", 7.0, answered=True)
    assert await posted(httpx2.Response(status)) == Away(f"HTTP {status}: ", 0.0, answered=True)


@pytest.mark.parametrize("status", [302, 400, 500, 504])
async def test_any_other_answer_is_a_failure_that_is_not_late(status: int) -> None:
    assert await posted(httpx2.Response(status, text="oh")) == Failed(f"HTTP {status}: oh", late=False)


async def test_of_a_long_answer_the_first_thousand_characters_are_told() -> None:
    assert await posted(httpx2.Response(500, text="x" * 1001)) == Failed("HTTP 500: " + "x" * 1000)
    assert await posted(httpx2.Response(422, json={"detail": "y" * 1001})) == Refused("y" * 1000)
    assert await posted(httpx2.Response(422, text="z" * 1001)) == Refused("z" * 1000)


class Endless(httpx2.AsyncByteStream):
    """An answer without an end."""

    def __init__(self) -> None:
        self.read, self.is_closed = 0, False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.read += 1024
            yield b"x" * 1024

    async def aclose(self) -> None:
        self.is_closed = True


async def test_an_answer_is_read_no_further_than_64_kib_and_its_connection_is_free_again() -> None:
    answer = Endless()
    transport = httpx2.MockTransport(lambda _: httpx2.Response(422, stream=answer))
    async with httpx2.AsyncClient(transport=transport) as http, asyncio.timeout(5):
        outcome = await AgentClient(ECHO, http, signer(), deadline_s=5).post(MESSAGE, "http://echo")
        assert (answer.read, answer.is_closed) == (64 * 1024, True)
    assert outcome == Refused("x" * 1000)


async def test_words_that_are_no_utf8_are_told_as_far_as_they_can_be_read() -> None:
    assert await posted(httpx2.Response(422, content=b"no \xff way")) == Refused("no \ufffd way")


async def test_a_call_is_measured_by_agent_and_status_until_the_agent_is_forgotten() -> None:
    def calls(status: str) -> float | None:
        return REGISTRY.get_sample_value(
            "signalbox_agent_call_seconds_count", {"agent": "echo", "status": status}
        )

    statuses: dict[str, httpx2.Response | Exception] = {
        "200": httpx2.Response(200),
        "503": httpx2.Response(503),
        "away": httpx2.ConnectError("no"),
        "timeout": httpx2.ReadTimeout("no"),
        "broken": httpx2.ReadError("no"),
    }
    async with agent(httpx2.Response(200), []) as http:
        client = AgentClient(ECHO, http, signer(), deadline_s=5)
        client.forget()
        for answer in statuses.values():
            await posted(answer)
        await posted(httpx2.InvalidURL("no"))
        assert [calls(status) for status in statuses] == [1, 1, 2, 1, 1]
        longest = REGISTRY.get_sample_value(
            "signalbox_agent_call_seconds_sum", {"agent": "echo", "status": "200"}
        )
        assert 0 <= (longest or 0) < 5
        client.forget()
        assert {calls(status) for status in statuses} == {None}


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (httpx2.ConnectError("no"), Away("ConnectError: no")),
        (httpx2.ConnectTimeout("no"), Away("ConnectTimeout: no")),
        (httpx2.ReadTimeout("no"), Failed("no answer in time (ReadTimeout)", late=True)),
        (httpx2.ReadError("no"), Broken("ReadError: no")),
        (httpx2.RemoteProtocolError("no"), Broken("RemoteProtocolError: no")),
        (httpx2.UnsupportedProtocol("no"), Away("UnsupportedProtocol: no")),
        (OSError("no"), Away("OSError: no")),
    ],
)
async def test_what_goes_wrong_on_the_way_says_whether_the_agent_had_the_message(
    error: Exception, outcome: Outcome
) -> None:
    assert await posted(error) == outcome


async def test_a_call_has_the_bytes_the_attributes_and_no_wish_for_packed_answers() -> None:
    seen: list[httpx2.Request] = []
    async with agent(httpx2.Response(200), seen) as http:
        await AgentClient(ECHO, http, signer(), deadline_s=5).post(MESSAGE, "http://echo/")
    [request] = seen
    assert (request.method, str(request.url), request.content) == ("POST", "http://echo/messages", b"value")
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["ce-id"] == "m-1"
    assert request.headers["authorization"].startswith("Bearer ")


@pytest.mark.parametrize("endpoint", ["http://echo:8200", "http://echo:8200/"])
async def test_whether_it_is_ready_is_asked_at_its_endpoint(endpoint: str) -> None:
    seen: list[httpx2.Request] = []
    async with agent(httpx2.Response(204), seen) as http:
        assert await AgentClient(ECHO, http, signer(), deadline_s=5).is_ready(endpoint)
    [request] = seen
    assert (request.method, str(request.url)) == ("GET", "http://echo:8200/readyz")
    assert request.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("answer", [httpx2.Response(503), httpx2.Response(302), httpx2.ReadTimeout("no")])
async def test_what_does_not_answer_2xx_does_not_answer(answer: httpx2.Response | Exception) -> None:
    async with agent(answer, []) as http:
        assert not await answers(http, "http://echo", "/readyz")


async def test_an_address_that_can_not_even_be_asked_does_not_answer() -> None:
    async with agent(httpx2.Response(200), []) as http:
        assert not await answers(http, "http://echo:port", "/readyz")


def test_retry_after_can_be_a_date_which_is_in_utc_where_it_says_nothing_else() -> None:
    later = datetime.now(UTC) + timedelta(minutes=10)
    assert 590 < seconds_until(format_datetime(later)) <= 600
    assert 590 < seconds_until(format_datetime(later.replace(tzinfo=None))) <= 600
    assert seconds_until(format_datetime(later - timedelta(hours=1))) == 0.0
