"""Away, failing and refusing are told apart, over real HTTP on loopback."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from operating import free_port
from orchestrator.dispatch.agent_client import AgentClient, Done, Failed, Refused, connections, seconds_until
from orchestrator.dispatch.availability import AgentAvailability
from orchestrator.dispatch.delivery import AgentDelivery, Settled
from serving import serving
from signalbox.protocol.envelope import Envelope
from signalbox.protocol.names import AgentId, CorrelationId, MessageId, RecordType
from signalbox.protocol.records import Record
from signalbox.telemetry import Readiness
from signalbox.trust import RequestParts, RequestSigner
from signalbox_agent.routes import parts_of
from signing import door, signer

AGENT = AgentId("echo")
ENVELOPE = Envelope(
    MessageId("m-1"), "test", RecordType("sdr.LeadCaptured"), datetime.now(UTC), CorrelationId("c-1")
)
MESSAGE = Record("agent_messages", 0, 0, "lead-ä".encode(), b"\0\0\0\0\1body", ENVELOPE.headers())


@dataclass
class ScriptedAgent:
    """Answers ``POST /messages`` by a script of statuses, then 200; records what came."""

    script: list[Response] = field(default_factory=list)
    ready: bool = True
    seen: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    requests: list[RequestParts] = field(default_factory=list)

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/messages")
        async def messages(request: Request) -> Response:
            self.seen.append((dict(request.headers), await request.body()))
            self.requests.append(parts_of(request, await request.body()))
            return self.script.pop(0) if self.script else Response(status_code=200)

        @app.get("/readyz")
        async def readyz() -> Response:
            return Response(status_code=200 if self.ready else 503)

        return app


@pytest.fixture
def tokens() -> RequestSigner:
    return signer()


@pytest.fixture
def readiness() -> Iterator[Readiness]:
    yield Readiness()


async def deliver(port: int, tokens: RequestSigner, readiness: Readiness, attempts: int = 3) -> Settled:
    async with calling(port, tokens, readiness, attempts) as (caller, endpoint), asyncio.timeout(20):
        return await caller.deliver(MESSAGE, endpoint)


@contextlib.asynccontextmanager
async def calling(
    port: int,
    tokens: RequestSigner,
    readiness: Readiness,
    attempts: int = 3,
    availability: AgentAvailability | None = None,
    opens_after: int = 5,
) -> AsyncIterator[tuple[AgentDelivery, Callable[[], str]]]:
    async with httpx2.AsyncClient(timeout=2) as http:
        posting = AgentClient(AGENT, http, tokens, deadline_s=2)
        availability = availability or AgentAvailability(AGENT, readiness)
        yield (
            AgentDelivery(
                posting, availability, attempts=attempts, opens_after=opens_after, longest_pause_s=0.05
            ),
            lambda: f"http://127.0.0.1:{port}",
        )


async def test_the_agent_gets_the_original_bytes_its_attributes_and_a_token_for_them(
    tokens: RequestSigner, readiness: Readiness
) -> None:
    agent, port = ScriptedAgent(), free_port()
    async with serving(agent.app(), port):
        assert await deliver(port, tokens, readiness) == Done()

    headers, body = agent.seen[0]
    assert body == MESSAGE.value
    assert door(AGENT).permits(agent.requests[0]) is None
    assert headers["idempotency-key"] == "m-1"
    assert headers["ce-type"] == "sdr.LeadCaptured"
    assert headers["ce-partitionkey"] == "lead-%C3%A4"


async def test_an_agent_that_is_busy_is_waited_for_and_does_not_use_up_attempts(
    tokens: RequestSigner, readiness: Readiness
) -> None:
    agent, port = ScriptedAgent(script=[Response(status_code=503) for _ in range(6)]), free_port()
    async with serving(agent.app(), port):
        assert await deliver(port, tokens, readiness, attempts=2) == Done()
    assert len(agent.seen) == 7


async def test_an_agent_that_starts_later_gets_its_message(
    tokens: RequestSigner, readiness: Readiness
) -> None:
    agent, port = ScriptedAgent(), free_port()
    delivery = asyncio.create_task(deliver(port, tokens, readiness, attempts=1))
    async with asyncio.timeout(5):
        while not readiness.impaired:
            await asyncio.sleep(0.01)
    assert "away" in readiness.impaired[0]
    async with serving(agent.app(), port):
        assert await delivery == Done()
    assert not readiness.impaired


async def test_a_refusal_is_final_and_carries_the_agents_words(
    tokens: RequestSigner, readiness: Readiness
) -> None:
    problem = Response('{"detail": "not my kind of lead"}', 422, media_type="application/problem+json")
    agent, port = ScriptedAgent(script=[problem]), free_port()
    async with serving(agent.app(), port):
        assert await deliver(port, tokens, readiness) == Refused("not my kind of lead")
    assert len(agent.seen) == 1


async def test_an_agent_that_is_ready_and_fails_every_time_is_given_up(
    tokens: RequestSigner, readiness: Readiness
) -> None:
    agent, port = ScriptedAgent(script=[Response(status_code=500) for _ in range(9)]), free_port()
    async with serving(agent.app(), port):
        outcome = await deliver(port, tokens, readiness, attempts=3)
    assert isinstance(outcome, Failed)
    assert outcome.detail.startswith("3 attempts")
    assert len(agent.seen) == 3


async def test_an_agent_that_fails_while_it_is_not_ready_counts_as_away(
    tokens: RequestSigner, readiness: Readiness
) -> None:
    agent, port = (
        ScriptedAgent(script=[Response(status_code=500) for _ in range(4)], ready=False),
        free_port(),
    )
    async with serving(agent.app(), port):
        assert await deliver(port, tokens, readiness, attempts=2) == Done()
    assert len(agent.seen) == 5


async def test_a_refusal_with_text_that_utf8_cannot_hold_is_still_a_refusal(
    tokens: RequestSigner, readiness: Readiness
) -> None:
    problem = Response(r'{"detail": "bad \ud800 text"}', 422, media_type="application/problem+json")
    agent, port = ScriptedAgent(script=[problem]), free_port()
    async with serving(agent.app(), port):
        assert await deliver(port, tokens, readiness) == Refused(r"bad \ud800 text")


async def test_an_agent_that_does_not_let_the_token_in_is_away_and_gets_another_one(
    tokens: RequestSigner, readiness: Readiness
) -> None:
    problem = Response('{"detail": "look at the clocks"}', 401, media_type="application/problem+json")
    agent, port = ScriptedAgent(script=[problem]), free_port()
    async with serving(agent.app(), port):
        delivery = asyncio.create_task(deliver(port, tokens, readiness))
        async with asyncio.timeout(5):
            while not readiness.impaired:
                await asyncio.sleep(0)
        assert "look at the clocks" in readiness.impaired[0]
        assert await delivery == Done()
    assert [door(AGENT).permits(request) for request in agent.requests] == [None, None]


def test_retry_after_is_read_as_seconds_and_as_a_date() -> None:
    in_a_minute = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert seconds_until("7") == 7
    assert 50 < seconds_until(in_a_minute) <= 60
    assert seconds_until("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert seconds_until("soon") == 0
    assert seconds_until("Mon, 01 Jan 99999999999999999999 00:00:00 GMT") == 0
    assert seconds_until("Mon, 01 Jan 2035 00:00:00 +99999999999999999999") == 0
    assert seconds_until("") == 0


async def test_an_agent_is_given_the_rest_that_it_asks_for(
    tokens: RequestSigner, readiness: Readiness
) -> None:
    busy = Response(status_code=429, headers={"retry-after": "1"})
    agent, port = ScriptedAgent(script=[busy]), free_port()
    clock = asyncio.get_running_loop().time
    async with serving(agent.app(), port):
        began = clock()
        assert await deliver(port, tokens, readiness) == Done()
    assert clock() - began >= 1


@pytest.mark.parametrize("ready", [True, False], ids=["busy", "not_ready"])
async def test_no_agent_rests_longer_than_the_longest_rest_whatever_it_asks_for(
    tokens: RequestSigner, readiness: Readiness, monkeypatch: pytest.MonkeyPatch, ready: bool
) -> None:
    monkeypatch.setattr("orchestrator.dispatch.delivery._LONGEST_PAUSE_S", 0.05)
    busy = [Response(status_code=503, headers={"retry-after": "86400"}) for _ in range(6)]
    agent, port = ScriptedAgent(script=busy, ready=ready), free_port()
    async with serving(agent.app(), port):
        assert await deliver(port, tokens, readiness) == Done()
    assert len(agent.seen) == 7


async def test_a_rest_that_an_agent_asks_for_before_it_is_ready_is_kept_by_all_messages(
    tokens: RequestSigner, readiness: Readiness
) -> None:
    busy = Response(status_code=503, headers={"retry-after": "1"})
    agent, port = ScriptedAgent(script=[busy], ready=False), free_port()
    clock = asyncio.get_running_loop().time
    async with (
        serving(agent.app(), port),
        calling(port, tokens, readiness, opens_after=1) as (caller, endpoint),
        asyncio.timeout(20),
    ):
        began = clock()
        first = asyncio.create_task(caller.deliver(MESSAGE, endpoint))
        while not readiness.impaired:
            await asyncio.sleep(0.01)
        assert await caller.deliver(replace(MESSAGE, offset=1), endpoint) == Done()
        assert clock() - began >= 1
        assert await first == Done()


async def test_an_answer_that_trickles_in_is_late_all_the_same(
    tokens: RequestSigner, readiness: Readiness
) -> None:
    async def trickle() -> AsyncIterator[bytes]:
        while True:
            yield b"."
            await asyncio.sleep(0.2)

    agent, port = ScriptedAgent(script=[StreamingResponse(trickle())]), free_port()
    async with serving(agent.app(), port):
        outcome = await deliver(port, tokens, readiness, attempts=1)
    assert isinstance(outcome, Failed)
    assert "no answer in time" in outcome.detail


async def test_presence_tells_since_when_an_agent_is_away_and_why(
    tokens: RequestSigner, readiness: Readiness
) -> None:
    agent, port, availability = ScriptedAgent(), free_port(), AgentAvailability(AGENT, readiness)
    async with calling(port, tokens, readiness, availability=availability) as (caller, endpoint):
        delivery = asyncio.create_task(caller.deliver(MESSAGE, endpoint))
        async with asyncio.timeout(10):
            while availability.told()["circuit"] != "open":
                await asyncio.sleep(0.01)
        said = availability.told()
        assert datetime.fromisoformat(said["away_since"]) <= datetime.now(UTC)
        assert "ConnectError" in said["away_because"]
        async with serving(agent.app(), port), asyncio.timeout(10):
            assert await delivery == Done()
    assert availability.told() == {"circuit": "closed", "away_since": None, "away_because": None}


async def test_an_address_that_cannot_be_called_is_away_and_ends_nothing(
    tokens: RequestSigner, readiness: Readiness
) -> None:
    delivery = asyncio.create_task(deliver(999_999, tokens, readiness))
    async with asyncio.timeout(5):
        while not readiness.impaired:
            await asyncio.sleep(0.01)
    assert not delivery.done()
    delivery.cancel()


async def test_calls_that_are_given_up_leave_their_connections_to_others(tokens: RequestSigner) -> None:
    # As when an agent is slow for long: calls run out of time while they wait for one of the few connections.
    app, slow, port = FastAPI(), True, free_port()

    @app.post("/messages")
    async def messages() -> Response:
        await asyncio.sleep(random.random() / 20 if slow else 0)
        return Response(status_code=200)

    async with serving(app, port), connections(2.0, at_once=2) as http:
        endpoint = f"http://127.0.0.1:{port}"
        for _ in range(25):
            hasty = [AgentClient(AGENT, http, tokens, random.random() / 20) for _ in range(8)]
            await asyncio.gather(*(client.post(MESSAGE, endpoint) for client in hasty))
        slow = False
        assert await AgentClient(AGENT, http, tokens, deadline_s=5).post(MESSAGE, endpoint) == Done()
