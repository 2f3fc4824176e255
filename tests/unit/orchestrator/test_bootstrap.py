"""What an orchestrator says before it has reached anything, and whose name its parts write when joined."""

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Response

from gate_fuzz import DATA_BY_TYPE
from limited_broker import LimitedBroker, LimitedProducer, Limits, ScriptedConsumer, limits_of
from memory_registry import MemoryRegistry
from operating import free_port
from orchestrator.bootstrap import bootstrap
from orchestrator.ports import Ports, real_ports
from orchestrator.settings import OrchestratorSettings
from routing_in_memory import ANSWERED, ASKED, CAMPAIGN, SCHEDULED, RoutingInMemory
from serving import serving
from signalbox.catalog import Catalog
from signalbox.control.models import AgentOutput
from signalbox.kafka import Partition
from signalbox.protocol.dead_letters import DeadLetter
from signalbox.protocol.envelope import Envelope
from signalbox.protocol.names import (
    AGENT_MESSAGES,
    AGENT_ROUTES,
    INCOMING_LEADS,
    AgentId,
    RecordType,
    dead_letter_topic,
)
from signalbox.protocol.reasons import Reason, Stage
from signalbox.protocol.records import Record, written
from signalbox_decide.decisions import ROUTE_AGENT

ECHO = AgentId("echo")
CAPTURED = RecordType("sdr.LeadCaptured")


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> OrchestratorSettings:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("SCHEMA_REGISTRY_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("LLM_MODEL", "offline")
    monkeypatch.setenv("AGENT_KEYS_DIR", str(tmp_path))
    return OrchestratorSettings(data_dir=tmp_path)


async def test_each_stage_is_waited_for_from_the_first_moment(settings: OrchestratorSettings) -> None:
    # A stage that reports only once it runs leaves a moment in which nothing is waited for: `make up` met it.
    async with AsyncExitStack() as closing:
        orchestrator = bootstrap(settings, closing)
        readiness = orchestrator.readiness
        for part in ("contracts", "grants", "directory"):
            readiness.done(part)
        assert not readiness.ready
        assert readiness.waiting_for == [
            f"{stage.name}: starting" for stage in (orchestrator.intake, orchestrator.routing)
        ]


class OwnRegistry:
    """The registry's port in memory, as a process opens and closes it."""

    def __init__(self, inner: MemoryRegistry) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def close(self) -> None:
        return


@dataclass
class Joined:
    """The orchestrator as it is put together; its registry and its broker are in memory."""

    routing: RoutingInMemory
    settings: OrchestratorSettings
    broker: LimitedBroker
    agents: Sequence[str] = ()
    """Who was reached, all of them at ``port``."""
    port: int = field(default_factory=free_port)
    records: Sequence[Record] = ()

    def ports(self) -> Ports:
        """Return the outside, all of it in memory but the model and the agents."""
        made: dict[str, Any] = {
            "consumer": lambda _, topic, __: ScriptedConsumer(
                self.broker, [one for one in self.records if one.topic == topic]
            ),
            "transactions": lambda _: LimitedProducer(self.broker),
            "registry": lambda: OwnRegistry(self.routing.registry),
        }
        return replace(real_ports(self.settings), recent=self.routing.topics.recent, **made)

    def lead(self) -> Record:
        message = self.routing.message(CAPTURED, DATA_BY_TYPE[CAPTURED])
        return replace(message, topic=INCOMING_LEADS, headers=())

    async def settles(self, *records: Record) -> None:
        """Run every stage until ``records`` are settled."""
        self.records = records
        stopping = asyncio.Event()
        async with AsyncExitStack() as closing, asyncio.timeout(20):
            parts = bootstrap(self.settings, closing, self.ports())
            await parts.control.load()
            parts.directory.remember({ECHO: ""})
            gives = AgentOutput(record_type=ANSWERED, terminal=False)
            for agent in self.agents:
                await self.routing.taken_into(parts.directory, agent, ASKED, gives, self.port)
            async with asyncio.TaskGroup() as group:
                for part in (parts.intake, parts.routing, parts.dispatchers):
                    group.create_task(part.run(stopping))
                while not all(self._is_settled(one) for one in records):
                    await asyncio.sleep(0.005)
                stopping.set()

    async def refused(self, *records: Record) -> dict[str, tuple[Stage, Reason]]:
        """Settle ``records``; say of each one's topic what its letter says."""
        await self.settles(*records)
        letters = [
            DeadLetter.of(on) for one in records for on in self.broker.on(dead_letter_topic(one.topic))
        ]
        return {letter.topic: (letter.stage, letter.reason) for letter in letters}

    def _is_settled(self, record: Record) -> bool:
        return self.broker.committed.get(Partition(record.topic, record.partition), 0) > record.offset


@pytest.fixture
def joined(routing: RoutingInMemory, settings: OrchestratorSettings) -> Joined:
    return Joined(routing, settings, LimitedBroker(limits_of(Catalog.load())))


async def test_each_stage_refuses_in_its_own_name_what_it_gets(joined: Joined) -> None:
    lead, message = replace(joined.lead(), value=b"no frame"), joined.routing.message(hop=-1)
    route = Record(AGENT_ROUTES, 0, 3, b"lead-1", b"no frame", ((ROUTE_AGENT, ECHO.encode()),))
    assert await joined.refused(lead, message, route) == {
        INCOMING_LEADS: (Stage.INTAKE, Reason.NOT_FRAMED),
        AGENT_MESSAGES: (Stage.GATE, Reason.HEADER_INVALID),
        AGENT_ROUTES: (Stage.DISPATCH, Reason.NOT_FRAMED),
    }


async def test_each_stage_refuses_in_its_own_name_what_its_process_died_of(joined: Joined) -> None:
    lead, message = joined.lead(), joined.routing.message(SCHEDULED, CAMPAIGN)
    route = Record(AGENT_ROUTES, 0, 3, b"lead-1", b"a route", ((ROUTE_AGENT, ECHO.encode()),))
    own = joined.settings.data_dir / "orchestrator" / joined.settings.orchestrator_replica
    own.mkdir(parents=True)
    places = {"intake": lead, "routing": message, f"dispatch.{ECHO}": route}
    deaths = {f"{name} {one.topic}/{one.partition}/{one.offset}@-1": 3 for name, one in places.items()}
    (own / "deaths.json").write_text(json.dumps(deaths))
    assert await joined.refused(lead, message, route) == {
        INCOMING_LEADS: (Stage.INTAKE, Reason.POISON),
        AGENT_MESSAGES: (Stage.GATE, Reason.POISON),
        AGENT_ROUTES: (Stage.DISPATCH, Reason.POISON),
    }


async def test_each_stage_refuses_in_its_own_name_what_the_broker_never_takes(joined: Joined) -> None:
    for topic in (AGENT_MESSAGES, AGENT_ROUTES):
        joined.broker.topics[topic] = Limits(6, 100)
    assert await joined.refused(joined.lead(), joined.routing.message(SCHEDULED, CAMPAIGN)) == {
        INCOMING_LEADS: (Stage.INTAKE, Reason.TOO_LARGE),
        AGENT_MESSAGES: (Stage.ROUTER, Reason.TOO_LARGE),
    }


def refusing() -> FastAPI:
    app = FastAPI()

    @app.post("/messages")
    async def messages() -> Response:
        return Response(status_code=422)

    return app


async def test_dispatch_refuses_in_its_own_name_what_no_second_route_can_be_written_for(
    joined: Joined,
) -> None:
    joined.agents = ("alpha", "beta")
    for agent in joined.agents:
        await joined.routing.announce(agent)
    [route] = await joined.routing.decides(joined.routing.message())
    joined.broker.topics[AGENT_ROUTES] = Limits(6, 100)
    async with serving(refusing(), joined.port):
        await joined.settles(replace(written(route), offset=0))
    [letter] = map(DeadLetter.of, joined.broker.on(dead_letter_topic(AGENT_MESSAGES)))
    assert (letter.stage, letter.reason) == (Stage.DISPATCH, Reason.TOO_LARGE)


async def test_what_was_taken_in_or_decided_before_a_start_is_not_written_again(joined: Joined) -> None:
    lead, message = joined.lead(), joined.routing.message(SCHEDULED, CAMPAIGN)
    await joined.settles(lead, message)
    copies, routes = joined.broker.on(AGENT_MESSAGES), joined.broker.on(AGENT_ROUTES)
    assert (len(copies), len(routes)) == (1, 1)

    now_ms = int(time.time() * 1000)
    joined.routing.topics.records = [replace(one, timestamp_ms=now_ms) for one in (*copies, *routes)]
    await joined.settles(joined.routing.again(lead), joined.routing.again(message))
    assert (joined.broker.on(AGENT_MESSAGES), joined.broker.on(AGENT_ROUTES)) == (copies, routes)


async def test_messages_of_one_workflow_that_come_together_are_counted_one_after_the_other(
    joined: Joined,
) -> None:
    joined.agents = ("alpha",)
    together = [joined.routing.message(message_id=f"m-{number}") for number in range(3)]
    await joined.settles(*together)
    routes = joined.broker.on(AGENT_ROUTES)
    assert [Envelope.parse(route.headers).visits for route in routes] == [{"alpha": n} for n in (1, 2, 3)]
