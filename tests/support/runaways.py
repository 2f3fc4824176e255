"""Agents that answer each other forever: foreign ones, plain HTTP servers that know nothing of guards.

Agent ``runaway_1`` takes ``demo.Ball1`` and answers with ``demo.Ball2``, and so on around a ring. How they
behave stands in the ball itself, so that one set of agents serves every test.
"""

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request

from operating import Operator, free_port
from serving import serving
from signalbox.avro import decode, encode, parse, unframe
from signalbox.control.models import AgentRegistered
from signalbox.gate.control_records import ControlRecords, record_type_of
from signalbox.kafka import Producer
from signalbox.protocol.agent_http import parse_request
from signalbox.protocol.envelope import Envelope, correlation_id_of, derived_id
from signalbox.protocol.names import (
    AGENT_MESSAGES,
    AGENT_REGISTRY,
    AGENT_ROUTES,
    AgentId,
    CorrelationId,
    LeadId,
    MessageId,
    RecordType,
    SchemaId,
    dead_letter_topic,
)
from signalbox.protocol.records import Draft, Record
from signalbox.registry.client import Registry, RegistrySettings
from signing import signed_in

AGENTS: Final = 5
_CARRIED: Final = frozenset({"ce_tokens", "ce_visits", "ce_workflowtime"})


def _type(number: int) -> RecordType:
    return RecordType(f"demo.Ball{number}")


def _contract(number: int) -> str:
    def of(name: str, kind: str, doc: str) -> dict[str, str]:
        return {"name": name, "type": kind, "doc": doc}

    fields = [
        of("ring", "int", "How many agents play."),
        of("copies", "int", "How many balls an agent plays on."),
        of("tokens", "int", "What an agent says that its answer cost."),
        of("pause_ms", "int", "How long an agent holds the ball."),
        of("drops", "boolean", "Whether agents drop the headers that guards go by."),
    ]
    return json.dumps(
        {"type": "record", "name": f"Ball{number}", "namespace": "demo", "doc": "A ball.", "fields": fields}
    )


@dataclass(frozen=True)
class Ball:
    """How a workflow runs away."""

    ring: int = 2
    copies: int = 1
    tokens: int = 0
    pause_ms: int = 0
    drops: bool = False


@dataclass
class Runaways:
    """The agents, and what they are asked."""

    operator: Operator
    producer: Producer
    schema_ids: Mapping[int, SchemaId]
    played: list[str] = field(default_factory=list)
    hold_from: int | None = None
    """From this ball on agents hold what they have, until :attr:`go_on` is set."""
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> FastAPI:
        """Serve every agent under a path of its own."""
        app = FastAPI()

        @app.get("/{agent}/readyz")
        async def readyz(agent: str) -> dict[str, str]:
            return {"agent": agent}

        @app.post("/{agent}/messages")
        async def messages(agent: str, request: Request) -> dict[str, int]:
            envelope, lead_id = parse_request(dict(request.headers))
            number = int(agent.removeprefix("runaway_"))
            schema = parse(_contract(number))
            ball = Ball(**decode(unframe(await request.body())[1], schema))
            self.played.append(agent)
            await asyncio.sleep(ball.pause_ms / 1000)
            if self.hold_from is not None and len(self.played) >= self.hold_from:
                await self.go_on.wait()
            await self.producer.publish(*self._answers(ball, number, envelope, lead_id))
            return {"copies": ball.copies}

        return app

    def _answers(self, ball: Ball, number: int, asked: Envelope, lead_id: LeadId) -> list[Draft]:
        agent, following = AgentId(f"runaway_{number}"), number % ball.ring + 1
        return [
            self._draft(
                asked.answered_by(agent, _type(following), copy, source=agent, tokens=ball.tokens),
                following,
                ball,
                lead_id,
            )
            for copy in range(ball.copies)
        ]

    def _draft(self, envelope: Envelope, number: int, ball: Ball, lead_id: LeadId) -> Draft:
        value = encode(self.schema_ids[number], parse(_contract(number)), vars(ball))
        headers = envelope.headers()
        if ball.drops:
            headers = tuple(pair for pair in replace(envelope, hop=0).headers() if pair[0] not in _CARRIED)
        return Draft(AGENT_MESSAGES, lead_id.encode(), value, headers)

    async def throw(self, ball: Ball, **envelope: Any) -> CorrelationId:
        """Let the first agent have a ball; return the workflow's id."""
        lead_id = LeadId(f"runaway-{uuid.uuid4().hex}")
        workflow = correlation_id_of(lead_id)
        now = datetime.now(UTC)
        first = Envelope(
            id=MessageId(f"first-of-{lead_id}"),
            source="a person",
            type=_type(1),
            time=now,
            correlation_id=workflow,
            **{"workflow_time": now, **envelope},
        )
        honest = replace(ball, drops=False)
        draft = self._draft(first, 1, honest, lead_id)
        value = encode(self.schema_ids[1], parse(_contract(1)), vars(ball))
        await self.producer.publish(replace(draft, value=value))
        return workflow

    async def outcome(self, workflow: CorrelationId) -> "Outcome":
        """Read what became of a workflow so far."""
        dead_letters = dead_letter_topic(AGENT_MESSAGES)
        found: dict[str, list[Record]] = {AGENT_MESSAGES: [], AGENT_ROUTES: [], dead_letters: []}
        for record in await self.operator.records(*found):
            if record.header("ce_correlationid") == workflow.encode():
                found[record.topic].append(record)
        return Outcome(found[AGENT_MESSAGES], found[AGENT_ROUTES], found[dead_letters])


@dataclass(frozen=True)
class Outcome:
    """A workflow's records."""

    messages: list[Record]
    routes: list[Record]
    dead_letters: list[Record]

    @property
    def at_rest(self) -> bool:
        """True when every message has its fate, and one of them a dead letter."""
        fated = {route.header("ce_causationid") for route in self.routes}
        fated |= {dead_letter.header("ce_id") for dead_letter in self.dead_letters}
        answered = {message.header("ce_causationid") for message in self.messages}
        unanswered = {route.header("ce_causationid") for route in self.routes} - answered
        waiting = {message.header("ce_id") for message in self.messages} - fated
        return bool(self.dead_letters) and not waiting and not unanswered

    @property
    def reasons(self) -> set[str]:
        return {(dead_letter.header("dl_reason") or b"").decode() for dead_letter in self.dead_letters}

    @property
    def stopped(self) -> list[str]:
        """The ids of the messages that were stopped."""
        return [(dead_letter.header("ce_id") or b"").decode() for dead_letter in self.dead_letters]

    @property
    def routed(self) -> list[str]:
        """The ids of the messages that an agent got."""
        return [(route.header("ce_causationid") or b"").decode() for route in self.routes]

    def visits(self) -> dict[str, int]:
        """How often each agent was chosen."""
        chosen = [(route.header("route_agent") or b"").decode() for route in self.routes]
        return {agent: chosen.count(agent) for agent in set(chosen)}


@asynccontextmanager
async def runaways_playing(operator: Operator) -> AsyncIterator[Runaways]:
    """Register the balls' contracts, serve the agents and announce them; remove them in the end."""
    port = free_port()
    registry = Registry(RegistrySettings(url=operator.stack.addresses["registry"]))
    control = ControlRecords(registry)
    await control.load()
    ids = {number: await _register(operator, number) for number in range(1, AGENTS + 1)}
    producer = Producer(operator.kafka, "runaways")
    runaways = Runaways(operator, producer, ids)
    async with serving(runaways.app(), port):
        keys = Path(operator.stack.env["AGENT_KEYS_DIR"])
        known_before = await _agents_known(operator)
        await producer.publish(*[signed_in(keys, _announced(control, number, port)) for number in ids])
        # Before the orchestrator knows who takes a ball, its type is admitted nowhere.
        async with asyncio.timeout(30):
            while await _agents_known(operator) < known_before + AGENTS:
                await asyncio.sleep(0.05)
        try:
            yield runaways
        finally:
            runaways.go_on.set()
            await producer.publish(
                *[
                    signed_in(keys, Draft(AGENT_REGISTRY, f"runaway_{number}".encode(), None))
                    for number in ids
                ]
            )
            await producer.close()
            await registry.close()


async def _agents_known(operator: Operator) -> int:
    """How many agents the orchestrator has in its directory."""
    metrics = await operator.http.get(f"{operator.stack.addresses['orchestrator']}/metrics")
    found = re.search(r"^signalbox_agents (\d+)", metrics.text, re.MULTILINE)
    return int(found[1]) if found else 0


async def _register(operator: Operator, number: int) -> SchemaId:
    url = f"{operator.stack.addresses['registry']}/subjects/{_type(number)}/versions"
    answer = await operator.http.post(url, json={"schema": _contract(number)})
    assert answer.status_code == 200, answer.text
    return SchemaId(answer.json()["id"])


def _announced(control: ControlRecords, number: int, port: int) -> Draft:
    agent, now = AgentId(f"runaway_{number}"), datetime.now(UTC)
    gives = [{"record_type": _type(following), "terminal": False} for following in range(1, AGENTS + 1)]
    registered = AgentRegistered.model_validate(
        {
            "agent_id": agent,
            "name": f"Runaway {number}",
            "description": f"Plays {_type(number)} on.",
            "input": [{"record_type": _type(number), "when": None}],
            "output": gives,
            "endpoint": f"http://127.0.0.1:{port}/{agent}",
            "contracts": [],
            "registered_at": now,
        }
    )
    envelope = Envelope(
        id=MessageId(derived_id(agent, now.isoformat())),
        source=agent,
        type=record_type_of(AgentRegistered),
        time=now,
        correlation_id=CorrelationId(agent),
    )
    return Draft(AGENT_REGISTRY, agent.encode(), control.write(registered), envelope.headers())
