"""Messages that fail by themselves take neither the turns nor the time of the others, over real HTTP.

Stated bound for a good message: a tenth of a second for each bad one before it, and one deadline for each
``dispatch_connections`` of them that hang.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse

from operating import free_port
from orchestrator.dispatch.agent_client import AgentClient, Done, Failed, Refused, answers
from orchestrator.dispatch.availability import AgentAvailability
from orchestrator.dispatch.delivery import AgentDelivery, Settled
from serving import serving
from signalbox.protocol.envelope import Envelope
from signalbox.protocol.names import AgentId, CorrelationId, MessageId, RecordType
from signalbox.protocol.records import Record
from signalbox.telemetry import Readiness
from signing import signer

AGENT = AgentId("echo")
ENVELOPE = Envelope(MessageId("m"), "test", RecordType("a.B"), datetime.now(UTC), CorrelationId("c"))
CONNECTIONS = 16
DEADLINE_S = 0.5
PACE_S = 0.1
SLACK_S = 12.0
"""What a busy machine may add."""


@dataclass
class Agent:
    """Does to bad messages what ``bad`` says, and takes the others; counts who came how often."""

    bad: Callable[[], Any]
    ready: bool = True
    posts: Counter[bytes] = field(default_factory=Counter)

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.post("/messages")
        async def messages(request: Request) -> Response:
            body = await request.body()
            self.posts[body] += 1
            answer: Response = await self.bad() if body.startswith(b"bad") else Response()
            return answer

        @app.get("/readyz")
        async def readyz() -> Response:
            return Response(status_code=200 if self.ready else 503)

        return app


def answering(status: int, **headers: str) -> Callable[[], Any]:
    async def answer() -> Response:
        return Response(status_code=status, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer


async def hang() -> Response:
    await asyncio.sleep(4 * DEADLINE_S)  # longer would hold the server's own end back
    return Response()


def message(name: str, number: int) -> Record:
    value = f"{name} {number}".encode()
    return Record("agent_messages", 0, number, value, value, ENVELOPE.headers())


@asynccontextmanager
async def calling(agent: Agent, **options: Any) -> AsyncIterator["Calls"]:
    port = free_port()
    limits = httpx2.Limits(max_connections=CONNECTIONS)
    timeout = httpx2.Timeout(10, pool=None)
    async with serving(agent.app(), port), httpx2.AsyncClient(timeout=timeout, limits=limits) as http:
        posting = AgentClient(AGENT, http, signer(), deadline_s=DEADLINE_S)
        options = {"attempts": 8, "at_once": CONNECTIONS, "longest_pause_s": 1.0, **options}
        availability = AgentAvailability(AGENT, Readiness())
        yield Calls(AgentDelivery(posting, availability, **options), f"http://127.0.0.1:{port}", availability)


@dataclass
class Calls:
    caller: AgentDelivery
    endpoint: str
    availability: AgentAvailability

    async def all_of(self, records: list[Record]) -> list[tuple[Settled, float]]:
        """Deliver all at once, in this order, and say of each what came of it and when."""
        began = asyncio.get_running_loop().time()

        async def deliver(record: Record) -> tuple[Settled, float]:
            outcome = await self.caller.deliver(record, lambda: self.endpoint)
            return outcome, asyncio.get_running_loop().time() - began

        async with asyncio.timeout(120):
            return list(await asyncio.gather(*map(deliver, records)))


BAD = [message("bad", number) for number in range(60)]
GOOD = [message("good", number) for number in range(100, 110)]


@pytest.mark.parametrize("bad", [answering(500), hang], ids=["quick", "hanging"])
async def test_sixty_bad_messages_delay_the_good_ones_behind_them_by_the_stated_bound(
    bad: Callable[[], Any],
) -> None:
    agent = Agent(bad)
    async with calling(agent, attempts=3, longest_pause_s=5.0) as calls:
        outcomes = await calls.all_of([*BAD, *GOOD])
    hanging = DEADLINE_S * (len(BAD) // CONNECTIONS + 1) if bad is hang else 0.0
    for outcome, after_s in outcomes[len(BAD) :]:
        assert outcome == Done()
        assert after_s < PACE_S * len(BAD) + hanging + SLACK_S
    for outcome, _ in outcomes[: len(BAD)]:
        assert isinstance(outcome, Failed)
        assert outcome.detail.startswith("3 attempts")
    assert max(agent.posts.values()) <= 3  # one that is late may not have arrived


async def test_good_messages_that_come_while_sixty_bad_ones_are_tried_are_taken_at_once() -> None:
    agent = Agent(hang)
    async with calling(agent, attempts=3) as calls:
        failing = asyncio.create_task(calls.all_of(BAD))
        while calls.caller.failing < len(BAD):
            await asyncio.sleep(0.01)
        for record in GOOD:
            [(outcome, _)] = await calls.all_of([record])
            assert outcome == Done()
            assert not failing.done()
        await failing
    assert calls.caller.failing == 0


@pytest.mark.parametrize("status", [401, 403, 404, 429, 502, 503])
async def test_what_an_agent_turns_away_holds_nobody_and_fails_when_it_goes_on(status: int) -> None:
    agent = Agent(answering(status))
    async with calling(agent, attempts=3, turned_away_s=1.0) as calls:
        turned_away = asyncio.create_task(calls.all_of(BAD[:20]))
        for number in range(100, 200):
            [(outcome, after_s)] = await calls.all_of([message("good", number)])
            assert outcome == Done()
            assert after_s < PACE_S * 20 + SLACK_S
            if turned_away.done():
                break
            await asyncio.sleep(0.05)
        for outcome, _ in await turned_away:
            assert isinstance(outcome, Failed)
            assert "turned away" in outcome.detail


async def test_a_message_that_is_told_to_come_in_an_hour_waits_alone() -> None:
    agent = Agent(answering(503, retry_after="3600"))
    async with calling(agent) as calls:
        waiting = [asyncio.create_task(calls.all_of([record])) for record in BAD[:10]]
        while calls.caller.failing < 10:
            await asyncio.sleep(0.01)
        for outcome, after_s in await calls.all_of(GOOD):
            assert outcome == Done()
            assert after_s < SLACK_S
        for task in waiting:
            task.cancel()


async def test_an_agent_that_turns_everything_away_loses_no_message_its_attempts() -> None:
    agent = Agent(answering(503))
    async with calling(agent, attempts=2, turned_away_s=0.1) as calls:
        waiting = asyncio.create_task(calls.all_of(BAD[:8]))
        while sum(agent.posts.values()) < 3 * 8:
            await asyncio.sleep(0.05)
        assert not waiting.done()
        agent.bad = answering(200)
        assert {type(outcome) for outcome, _ in await waiting} == {Done}


async def test_an_agent_that_is_down_is_asked_by_one_message_at_a_time() -> None:
    agent = Agent(answering(503), ready=False)
    async with calling(agent, longest_pause_s=5.0) as calls:
        waiting = asyncio.create_task(calls.all_of(BAD))
        while calls.availability.told()["circuit"] != "open":
            await asyncio.sleep(0.01)
        await asyncio.sleep(1)
        before = sum(agent.posts.values())
        await asyncio.sleep(3)
        assert sum(agent.posts.values()) - before <= 15
        assert max(agent.posts.values()) <= 3  # and not by the same one
        assert not waiting.done()
        agent.bad, agent.ready = answering(200), True
        assert {type(outcome) for outcome, _ in await waiting} == {Done}


async def test_a_flood_of_refusals_says_nothing_against_the_agent() -> None:
    agent = Agent(answering(422))
    async with calling(agent) as calls:
        outcomes = await calls.all_of([*BAD, *GOOD])
        assert calls.availability.told()["circuit"] == "closed"
    assert {type(outcome) for outcome, _ in outcomes[: len(BAD)]} == {Refused}
    assert max(after_s for _, after_s in outcomes) < SLACK_S


async def test_an_answer_of_any_size_is_read_up_to_a_bound() -> None:
    sent = 0

    async def endless() -> Response:
        async def parts() -> AsyncIterator[bytes]:
            nonlocal sent
            while True:
                sent += 1
                yield bytes(1024 * 1024)
                await asyncio.sleep(0.001)

        return StreamingResponse(parts(), status_code=500)

    async with calling(Agent(endless), attempts=2) as calls:
        [(outcome, _)] = await calls.all_of(BAD[:1])
    assert isinstance(outcome, Failed)
    assert "HTTP 500" in outcome.detail
    assert sent < 100


async def test_a_readiness_that_drips_or_hangs_is_no_readiness() -> None:
    async def drips(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b".")
            await asyncio.sleep(0.5)

    server = await asyncio.start_server(drips, "127.0.0.1", 0)
    async with server, httpx2.AsyncClient() as http, asyncio.timeout(10):
        port = server.sockets[0].getsockname()[1]
        assert not await answers(http, f"http://127.0.0.1:{port}", "/readyz")
        server.close()


async def test_suspects_leave_the_others_at_least_half_of_the_time() -> None:
    async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if request.startswith(b"GET"):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        elif b"good" in request:
            await asyncio.sleep(0.05)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        else:
            await asyncio.sleep(0.2)
        writer.close()

    server = await asyncio.start_server(hangs_up, "127.0.0.1", 0)
    async with server, calling(Agent(hang), attempts=3) as calls:
        calls.endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        suspects = asyncio.create_task(calls.all_of([replace(record, key=b"bad") for record in BAD[:6]]))
        taken = 0
        while not suspects.done():
            [(outcome, after_s)] = await calls.all_of([message("good", 1000 + taken)])
            assert outcome == Done()
            assert after_s < SLACK_S
            taken += 1
        assert {type(outcome) for outcome, _ in await suspects} == {Failed}
    assert taken > 6
