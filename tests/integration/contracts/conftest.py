"""Broker and registry with the committed contracts; agents and messages are there by their records."""

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner

from committed_contracts import schema_text
from local_stack import Stack
from signalbox.avro import encode, parse
from signalbox.kafka import KafkaSettings, Producer
from signalbox.protocol.names import AGENT_MESSAGES, AGENT_REGISTRY, AGENT_ROUTES, SchemaId
from signalbox.protocol.records import Draft
from signalbox_cli.app import assemble
from signing import signed_in

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
LEAD = {
    "lead_id": "lead-1",
    "name": "Ada Example",
    "email": "ada@example.org",
    "company_name": "Example",
    "job_title": "CTO",
    "lead_source": "test",
    "captured_at": NOW,
}


@dataclass
class Outcome:
    status: int
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class Operator:
    """Runs the command against one broker and registry, with contracts that a test may change."""

    stack: Stack
    contracts: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**self.stack.env, "CATALOG": str(self.contracts / "catalog.yaml")}

    @property
    def registry(self) -> str:
        return self.stack.addresses["registry"]

    def run(self, *words: str, **environment: str) -> Outcome:
        answer = CliRunner().invoke(assemble(words[0]), list(words), env={**self.environment, **environment})
        return Outcome(answer.exit_code, answer.output if "--json" not in words else answer.stdout)

    def edit(self, record_type: str, change: Callable[[dict[str, Any]], object]) -> None:
        path = self.contracts / "avro" / f"{record_type.replace('.', '/')}.avsc"
        schema = json.loads(path.read_text(encoding="utf-8"))
        change(schema)
        path.write_text(json.dumps(schema, indent=2), encoding="utf-8")

    def schema_id(self, record_type: str) -> SchemaId:
        answer = httpx2.get(f"{self.registry}/subjects/{record_type}/versions/latest")
        return SchemaId(answer.raise_for_status().json()["id"])

    def versions(self, record_type: str) -> list[int]:
        answer = httpx2.get(f"{self.registry}/subjects/{record_type}/versions")
        return [] if answer.status_code == 404 else list(answer.json())

    async def publish(self, *drafts: Draft) -> None:
        settings = KafkaSettings(bootstrap_servers=self.stack.addresses["broker"])
        producer = Producer(settings, "test")
        try:
            await producer.publish(*drafts)
        finally:
            await producer.close()

    def encoded(self, record_type: str, datum: dict[str, Any]) -> bytes:
        return encode(self.schema_id(record_type), parse(schema_text(record_type)), datum)

    def scored(self, score: int) -> bytes:
        return self.encoded(
            "sdr.LeadScored",
            {"lead": LEAD, "score": score, "next_step": "NURTURE", "rationale": "It fits."},
        )

    def decided(self, message_id: str, payload: bytes) -> Draft:
        datum = {
            "message_id": message_id,
            "correlation_id": "c",
            "lead_id": "lead-1",
            "record_type": "sdr.LeadScored",
            "reason": "It fits.",
            "payload": payload,
            "payload_key": b"lead-1",
            "payload_headers": [],
            "source_topic": AGENT_MESSAGES,
            "source_partition": 0,
            "source_offset": 0,
        }
        return Draft(AGENT_ROUTES, b"lead-1", self.encoded("control.RouteDecided", datum))

    def announced(self, agent: str, takes: Sequence[str], gives: Sequence[str], version: int = 1) -> Draft:
        datum = {
            "agent_id": agent,
            "name": agent,
            "description": "Does it.",
            "input": [{"record_type": name, "when": None} for name in takes],
            "output": [{"record_type": name, "terminal": False} for name in gives],
            "endpoint": "http://127.0.0.1:1",
            "contracts": [
                {"record_type": name, "version": version, "schema_id": 1} for name in (*takes, *gives)
            ],
            "registered_at": NOW,
        }
        value = self.encoded("control.AgentRegistered", datum)
        return self.signed(Draft(AGENT_REGISTRY, agent.encode(), value))

    def signed(self, draft: Draft) -> Draft:
        """Sign as the agent would that runs on this machine."""
        return signed_in(Path(self.stack.env["AGENT_KEYS_DIR"]), draft)


@pytest.fixture(scope="module")
def foundation(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Broker and registry, with the topics and contracts that `up` makes, and two agents announced."""
    folder = tmp_path_factory.mktemp("governed")
    with Stack(root, folder, ports="free", services=("broker", "registry")) as stack:
        operator = Operator(stack, root / "contracts")
        asyncio.run(
            operator.publish(
                operator.announced("lead_scoring", ["sdr.LeadProfiled"], ["sdr.LeadScored"]),
                operator.announced("nurture_campaign", ["sdr.LeadScored"], ["sdr.CampaignDrafted"]),
                *(operator.decided(f"message-{score}", operator.scored(score)) for score in (10, 40, 70)),
                Draft(AGENT_MESSAGES, b"lead-1", operator.scored(70)),
            )
        )
        yield stack


@pytest.fixture
def operator(foundation: Stack, root: Path, tmp_path: Path) -> Operator:
    """Somebody who changes a copy of the contracts."""
    copied = tmp_path / "contracts"
    shutil.copytree(root / "contracts" / "avro", copied / "avro")
    shutil.copy(root / "contracts" / "catalog.yaml", copied)
    return Operator(foundation, copied)
