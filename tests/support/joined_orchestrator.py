"""The orchestrator's own wiring with a registry and a broker in memory.

A folder's conftest imports the fixtures ``routing``, ``settings`` and ``joined``.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse

from gate_fuzz import DATA_BY_TYPE
from limited_broker import LimitedBroker, LimitedProducer, ScriptedConsumer, limits_of
from operating import free_port
from orchestrator.bootstrap import bootstrap
from orchestrator.ports import Ports, real_ports
from orchestrator.settings import OrchestratorSettings
from routing_in_memory import ANSWERED, ASKED, RoutingInMemory
from signalbox.catalog import Catalog
from signalbox.control.models import AgentOutput
from signalbox.kafka import Partition
from signalbox.protocol.dead_letters import DeadLetter
from signalbox.protocol.names import INCOMING_LEADS, AgentId, RecordType, dead_letter_topic
from signalbox.protocol.reasons import Reason, Stage
from signalbox.protocol.records import Record
from signalbox_agent.testing import MemoryLog

ECHO: Final = AgentId("echo")
CAPTURED: Final = RecordType("sdr.LeadCaptured")


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> OrchestratorSettings:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("SCHEMA_REGISTRY_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("LLM_MODEL", "offline")
    monkeypatch.setenv("AGENT_KEYS_DIR", str(tmp_path))
    return OrchestratorSettings(data_dir=tmp_path)


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
            "registry": lambda: self.routing.registry,
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
        """Settle ``records``; say of each one's topic what its dead letter says."""
        await self.settles(*records)
        dead_letters = [
            DeadLetter.of(on) for one in records for on in self.broker.on(dead_letter_topic(one.topic))
        ]
        return {dead_letter.topic: (dead_letter.stage, dead_letter.reason) for dead_letter in dead_letters}

    def _is_settled(self, record: Record) -> bool:
        return self.broker.committed.get(Partition(record.topic, record.partition), 0) > record.offset


@pytest.fixture
def joined(routing: RoutingInMemory, settings: OrchestratorSettings) -> Joined:
    return Joined(routing, settings, LimitedBroker(limits_of(Catalog.load())))


def refusing(why: str = "") -> FastAPI:
    app = FastAPI()

    @app.post("/messages")
    async def messages() -> JSONResponse:
        return JSONResponse({"detail": why}, 422)

    return app


@pytest.fixture
async def routing() -> RoutingInMemory:
    """Routing with all of its parts; what it wrote is read back after a restart."""
    made = RoutingInMemory(MemoryLog())
    await made.control.load()
    return made
